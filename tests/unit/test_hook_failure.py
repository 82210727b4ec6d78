"""What a failed hook does next."""

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import failure as failure_module
from opentelemetry.instrumentation.concurrency.record import recorder as recorders
from opentelemetry.instrumentation.concurrency.record.failure import HookFailure
from opentelemetry.instrumentation.concurrency.record.site_table import SiteTable


def test_object_without_weak_references_keeps_the_hook(caplog):
    """A task factory may make such objects; what others create is still recorded."""
    counted, disarmed = [], []
    failure = HookFailure("create_task", counted.append)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            try:
                ref(())
            except TypeError as error:
                failure(error, lambda: disarmed.append(True))
    assert (counted, disarmed, len(caplog.records)) == (["create_task"] * 2, [], 1)


def test_other_type_error_takes_the_hook_out():
    """Only the missing weak reference says nothing about the hook."""
    disarmed = []
    HookFailure("create_task", lambda _: None)(TypeError("other"), lambda: disarmed.append(True))
    assert disarmed == [True]


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("maximum recursion depth exceeded")])
def test_error_of_the_applications_state_leaves_the_hook(error, caplog):
    """Memory or stack were short where the application stood: the failure is counted, the hook stays, no log line."""
    counted, disarmed = [], []
    failure = HookFailure("create_task", counted.append)
    assert failure(error, lambda: disarmed.append(True), "task") == "task"
    assert (counted, disarmed, caplog.records) == (["create_task"], [], [])


def test_error_of_the_hook_is_not_a_signal_handlers(monkeypatch):
    try:
        raise ValueError
    except ValueError as error:
        assert failure_module._is_of_signal_handler(error) is False
    assert failure_module._is_of_signal_handler(MemoryError()) is False


def test_error_that_cannot_be_judged_stays_within_the_hook(monkeypatch):
    """As where the stack is exhausted: the application gets its task."""

    def fail(_error):
        raise RecursionError

    monkeypatch.setattr(failure_module, "_is_of_signal_handler", fail)
    assert HookFailure("create_task", lambda _: None)(ValueError(), lambda: None, "task") == "task"


class AlarmError(Exception):
    """What the application's handler raises."""


@pytest.fixture
def alarmed(monkeypatch, recorder):
    """A signal arrives whenever a hook of ours looks for a line."""

    def ring(number, frame):
        raise AlarmError

    before = signal.signal(signal.SIGINT, ring)
    monkeypatch.setattr(SiteTable, "find", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(recorders, "checked_recorder", lambda found: found)
    ConcurrencyInstrumentor().instrument(agent_disabled=True, scan_interval=3600, recorder=recorder)
    yield current_installation().recorder
    ConcurrencyInstrumentor().uninstrument()
    signal.signal(signal.SIGINT, before)


def test_signal_handler_error_in_a_hook_reaches_the_caller(alarmed):
    """As it would without us, at every creation during which a signal arrives."""
    loop = asyncio.new_event_loop()
    try:
        for _ in range(2):
            coro = asyncio.sleep(0)
            with pytest.raises(AlarmError):
                loop.create_task(coro)
            with pytest.raises(AlarmError):
                ThreadPoolExecutor()
        assert alarmed.hook_failures == 0
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop)))
    finally:
        loop.close()


def test_handler_that_answers_no_question_hides_no_failure():
    """Whatever object the application has made a signal's handler: the hook is taken out, and nobody hears of it."""

    class Silent:
        def __getattr__(self, name):
            raise AlarmError

        def __call__(self, *_):
            pass

    disarmed, counted = [], []
    before = signal.signal(signal.SIGINT, Silent())
    try:
        failure = HookFailure("create_task", counted.append)
        assert failure(ValueError("ours"), lambda: disarmed.append(True), "task") == "task"
    finally:
        signal.signal(signal.SIGINT, before)
    assert (disarmed, counted) == ([True], ["create_task"])
