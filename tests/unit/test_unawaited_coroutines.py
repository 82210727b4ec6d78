"""Coroutines that were never awaited are counted, and their warnings stay as they are."""

import gc
import re
import subprocess
import sys
import warnings
from types import FunctionType, SimpleNamespace

import pytest
from pictured import snapshot

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.cli.leaks import leak_lines
from opentelemetry.instrumentation.concurrency.cli.taken import Taken
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import unawaited as module
from opentelemetry.instrumentation.concurrency.record.internals import of_warnings
from opentelemetry.instrumentation.concurrency.record.unawaited import UnawaitedCoroutines
from opentelemetry.instrumentation.concurrency.snapshot import functions
from opentelemetry.instrumentation.concurrency.snapshot.functions import never_awaited
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo

PROGRAM = """
import asyncio, gc, sys, warnings

from opentelemetry.instrumentation.concurrency.record.unawaited import UnawaitedCoroutines

counter = UnawaitedCoroutines()
assert sys.argv[1] == "plain" or counter.install()


async def audit(order):
    pass


class Shop:
    async def restock(self):
        pass


def handle():
    audit(7)
    kept = Shop().restock()


for _ in range(3):
    handle()
cycle = [audit(8)]
cycle.append(cycle)
del cycle
gc.collect()


async def main():
    audit(9)


asyncio.run(main())
if sys.argv[1] != "plain":
    assert sum(counter.counts.values()) == 8, counter.counts
"""


@pytest.fixture
def counter():
    made = UnawaitedCoroutines()
    before = of_warnings.unawaited_report()
    assert made.install()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield made
    made.uninstall()
    assert of_warnings.unawaited_report() is before


async def audit():
    pass


def forget_to_await():
    audit()


def shown(kind, options):
    """Return what a program writes to stderr, with addresses removed."""
    command = [sys.executable, *options, "-c", PROGRAM, kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return re.sub(r"0x[0-9a-f]+", "0x", done.stderr)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-W", "always"],
        ["-W", "error"],
        ["-W", "ignore"],
        ["-X", "dev"],
        ["-X", "tracemalloc=5", "-W", "always"],
    ],
    ids=" ".join,
)
def test_output_of_a_program_is_the_same_with_and_without(options):
    """Text, lines, filters, tracebacks of allocations and of errors."""
    assert shown("plain", options) == shown("counted", options)


def test_coroutines_are_counted_by_function_and_line_whatever_the_filters(counter):
    for _ in range(3):
        forget_to_await()
    ((place, count),) = counter.counts.items()
    assert count == 3 and place.function.function == f"{__name__}.audit" and place.function.path == __file__
    assert place.dropped.function == f"{__name__}.forget_to_await"
    assert place.dropped.line == forget_to_await.__code__.co_firstlineno + 1


def test_awaited_coroutine_is_not_counted(counter):
    coroutine = audit()
    with pytest.raises(StopIteration):
        coroutine.send(None)
    audit().close()
    assert not counter.counts


def test_counting_keeps_no_coroutine_alive(counter):
    class Order:
        pass

    async def pay(order):
        pass

    before = sum(type(each) is Order for each in gc.get_objects())
    pay(Order())
    assert sum(type(each) is Order for each in gc.get_objects()) == before and sum(counter.counts.values()) == 1


def test_places_are_limited(counter, monkeypatch):
    monkeypatch.setattr(module, "MAX_PLACES", 1)
    forget_to_await()
    audit()
    forget_to_await()
    assert list(counter.counts.values()) == [2] and counter.others == 1
    counter.start_empty()
    assert not counter.counts and not counter.others


def test_warning_goes_to_whatever_warns_now(counter, monkeypatch):
    """A library may replace `warnings.warn` after the installation."""
    seen = []
    monkeypatch.setattr(warnings, "warn", lambda message, **options: seen.append((message, options["stacklevel"])))
    forget_to_await()
    assert seen == [("coroutine 'audit' was never awaited", 2)] and sum(counter.counts.values()) == 1


def test_failure_to_count_keeps_the_warning(counter, monkeypatch):
    failures = []
    monkeypatch.setattr(module, "_line_of", lambda _: 1 / 0)
    monkeypatch.setattr(sys, "unraisablehook", failures.append)
    with pytest.warns(RuntimeWarning, match="never awaited") as caught:
        forget_to_await()
    assert len(caught) == 1 and caught[0].lineno == forget_to_await.__code__.co_firstlineno + 1
    assert not counter.counts and not failures


def test_function_that_others_replaced_meanwhile_is_kept(monkeypatch):
    original, counter = of_warnings.unawaited_report(), UnawaitedCoroutines()
    monkeypatch.setattr(warnings, "_warn_unawaited_coroutine", original)
    assert counter.install() and counter.install()

    def other(coroutine):
        pass

    of_warnings.set_unawaited_report(other)
    counter.uninstall()
    assert of_warnings.unawaited_report() is other


def report_with_closure():
    kept = RuntimeWarning

    def report(coroutine):
        return kept, RuntimeWarning

    return report


@pytest.mark.parametrize("report", [None, print, lambda coroutine: None, report_with_closure()])
def test_interpreter_with_another_report_is_left_alone(monkeypatch, report):
    monkeypatch.setattr(warnings, "_warn_unawaited_coroutine", report, raising=False)
    assert not UnawaitedCoroutines().install()
    assert warnings._warn_unawaited_coroutine is report


def test_interpreter_without_lookups_in_mappings_is_left_alone(monkeypatch):
    class Refusing:
        def __new__(cls, code, names, *more):
            return FunctionType(code, {"__builtins__": {}}, *more)

    original = of_warnings.unawaited_report()
    monkeypatch.setattr(module, "FunctionType", Refusing)
    assert not UnawaitedCoroutines().install()
    assert of_warnings.unawaited_report() is original


def test_setting_counts_and_uninstrument_restores():
    original = of_warnings.unawaited_report()
    ConcurrencyInstrumentor().instrument(reports="none", metrics="none", agent_disabled=True, count_unawaited=True)
    try:
        with pytest.warns(RuntimeWarning, match="never awaited"):
            forget_to_await()
        (found,) = never_awaited(current_installation().live.recorder)
    finally:
        ConcurrencyInstrumentor().uninstrument()
    assert of_warnings.unawaited_report() is original
    assert found["function"] == f"{__name__}.audit" and found["count"] == 1


def test_functions_beyond_the_limit_of_the_list_are_summed_as_other(counter, monkeypatch):
    async def restock():
        pass

    monkeypatch.setattr(functions, "MAX_FUNCTIONS", 1)
    for _ in range(2):
        forget_to_await()
    restock()
    found = never_awaited(SimpleNamespace(unawaited=counter))
    assert [(each["function"], each["count"]) for each in found] == [(f"{__name__}.audit", 2), ("_OTHER", 1)]


def test_line_that_dropped_most_coroutines_of_a_function_is_named(counter):
    def forget_once():
        audit()

    forget_once()
    for _ in range(3):
        forget_to_await()
    ((function, found),) = counter.by_function().items()
    assert function.function == f"{__name__}.audit" and found.count == 4
    assert found.dropped.function == f"{__name__}.forget_to_await"


def test_default_counts_nothing(instrumented):
    with pytest.warns(RuntimeWarning, match="never awaited"):
        forget_to_await()
    assert never_awaited(instrumented.live.recorder) == []


def test_interpreter_that_cannot_count_is_logged_once(monkeypatch, caplog):
    monkeypatch.setattr(UnawaitedCoroutines, "install", lambda _: False)
    ConcurrencyInstrumentor().instrument(reports="none", metrics="none", agent_disabled=True, count_unawaited=True)
    ConcurrencyInstrumentor().uninstrument()
    assert "never awaited are not counted" in caplog.text


def test_leaks_shows_function_number_and_line():
    dropped = {"function": "shop.handle", "path": "/srv/shop.py", "line": 31}
    entry = {
        "kind": "task",
        "function": "shop.audit",
        "path": "/srv/shop.py",
        "line": 7,
        "count": 120,
        "dropped": dropped,
    }
    lines = "".join(leak_lines(Taken(snapshot([]), ProcessInfo(4711)), {"never_awaited": [entry]}))
    assert "120 coroutines never awaited: shop.audit /srv/shop.py:7\n" in lines
    assert "  most of them dropped in shop.handle  /srv/shop.py:31\n" in lines


def test_coroutines_beyond_the_limits_are_summed_as_other(counter):
    forget_to_await()
    counter.others = 7
    (first, rest) = never_awaited(SimpleNamespace(unawaited=counter))
    assert first["count"] == 1 and (rest["function"], rest["count"]) == ("_OTHER", 7)
    text = "".join(leak_lines(Taken(snapshot([]), ProcessInfo(4711)), {"never_awaited": [first, rest]}))
    assert "7 coroutines never awaited: _OTHER" in text
