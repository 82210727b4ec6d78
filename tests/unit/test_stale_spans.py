"""Workers that still carry the span of the ended request that started them are found; their healthy twins are not."""

import asyncio
import contextvars
import gc
import sys
import time
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from pictured import QUERY, snapshot

from opentelemetry import context, trace
from opentelemetry.instrumentation.concurrency.cli.leaks import leak_lines
from opentelemetry.instrumentation.concurrency.cli.taken import Taken
from opentelemetry.instrumentation.concurrency.diagnose.introspection import contexts
from opentelemetry.instrumentation.concurrency.diagnose.introspection.contexts import context_of
from opentelemetry.instrumentation.concurrency.diagnose.stale_spans import stale_spans
from opentelemetry.instrumentation.concurrency.record.creator import span_in
from opentelemetry.instrumentation.concurrency.record.interpreter import FREE_THREADED
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo

pytestmark = pytest.mark.skipif(FREE_THREADED, reason="contexts are not read while other threads may change them")
tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop")
LATER_S = 100.0


async def work(gate):
    await gate.wait()


async def work_on_its_own(gate):
    context.attach(trace.set_span_in_context(trace.INVALID_SPAN))
    await gate.wait()


async def work_in_spans_of_its_own(gate):
    with tracer.start_as_current_span("batch"):
        await gate.wait()


@contextmanager
def request(kind=SpanKind.SERVER):
    with tracer.start_as_current_span("GET /first", kind=kind):
        yield


def found_by(installation, later_s=LATER_S, least_s=60.0, verdict=0):
    """Return what is found some time later."""
    census = installation.census
    with census.locked():
        census.admit_young()
        verdicts = bytearray([verdict]) * len(census.tasks)
        sites = installation.recorder.task_sites.sites
        now = time.time() + later_s
        return stale_spans(census.tasks, sites, verdicts, least_s, lambda: None, lambda: now)


def found_after(installation, start, number=1, **options):
    """Start workers in the loop, as a request would, and return what is found while they wait."""

    async def main():
        gate = asyncio.Event()
        tasks = [start(gate) for _ in range(number)]
        await asyncio.sleep(0)
        gc.collect()
        found = found_by(installation, **options)
        gate.set()
        await asyncio.gather(*tasks)
        return found

    return asyncio.run(main())


def start_in_a_request(gate, worker=work, kind=SpanKind.SERVER, **options):
    with request(kind):
        return asyncio.create_task(worker(gate), **options)


def test_workers_of_an_ended_request_are_found_by_site(instrumented):
    (found,) = found_after(instrumented, start_in_a_request, number=2)
    assert (found.span_name, found.count, found.site.function) == ("GET /first", 2, f"{__name__}.found_after.main")
    assert found.ended_s == pytest.approx(LATER_S, abs=30)


@pytest.mark.parametrize("options", [{"later_s": 0.0}, {"verdict": 1}])
def test_recent_request_or_reported_leak_is_not_found(instrumented, options):
    assert found_after(instrumented, start_in_a_request, **options) == []


@pytest.mark.parametrize("worker", [work_on_its_own, work_in_spans_of_its_own])
def test_worker_that_left_the_request_is_not_found(instrumented, worker):
    def start(gate):
        return start_in_a_request(gate, worker)

    assert found_after(instrumented, start) == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="create_task takes no context")
def test_worker_with_an_empty_context_is_not_found(instrumented):
    def start(gate):
        return start_in_a_request(gate, context=contextvars.Context())

    assert found_after(instrumented, start) == []


def test_worker_started_outside_of_requests_is_not_found(instrumented):
    assert found_after(instrumented, lambda gate: asyncio.create_task(work(gate))) == []


def test_worker_of_an_inner_span_is_not_found(instrumented):
    """Start-up code has spans too; only an entry span is a request."""

    def start(gate):
        return start_in_a_request(gate, kind=SpanKind.INTERNAL)

    assert found_after(instrumented, start) == []


def test_worker_of_a_request_that_runs_is_not_found(instrumented):
    with request():
        assert found_after(instrumented, lambda gate: asyncio.create_task(work(gate))) == []


def test_search_holds_no_task_nor_span(instrumented):
    def start(gate):
        return start_in_a_request(gate)

    found = found_after(instrumented, start)
    assert found and not any(isinstance(each, (asyncio.Task, trace.Span)) for each in gc.get_referents(*found))


class Overridden(asyncio.Task):
    """A task of the application; its methods are not called."""

    def get_context(self):
        raise AssertionError


@pytest.mark.parametrize("kind", [asyncio.Task, asyncio.tasks._PyTask, Overridden])
def test_context_of_a_task_is_its_own(kind):
    variable = contextvars.ContextVar("variable")

    async def main():
        variable.set(7)
        task = kind(asyncio.sleep(0), loop=asyncio.get_running_loop())
        found = context_of(task)
        await task
        return found[variable]

    assert asyncio.run(main()) == 7


@pytest.mark.parametrize("found", [None, 3, object()])
def test_context_of_other_objects_is_unknown(found):
    assert context_of(found) is None


def test_context_is_not_read_without_a_lock(monkeypatch):
    monkeypatch.setattr(contexts, "FREE_THREADED", True)

    async def main():
        return context_of(asyncio.current_task())

    assert asyncio.run(main()) is None


def test_span_in_a_context_is_the_current_one():
    assert span_in(contextvars.Context()) is None
    with tracer.start_as_current_span("GET /") as span:
        assert span_in(contextvars.copy_context()) is span


@pytest.mark.parametrize(("count", "their"), [(1, "this task"), (3, "these tasks")])
def test_leaks_show_the_span_and_what_to_do(count, their):
    site = {"kind": "task", "function": QUERY.function, "path": QUERY.path, "line": QUERY.line}
    facts = {"stale_spans": [{**site, "count": count, "span": "GET /first", "ended_s": 300.0}]}
    lines = list(leak_lines(Taken(snapshot([]), ProcessInfo(4711)), facts))
    assert all(line.count("\n") == 1 for line in lines)
    text = "".join(lines)
    assert "with the span of an ended request: created by shop.search.query" in text
    assert f"'GET /first' ended 5 minutes ago; the spans of {their} join its trace" in text
    assert "No leaks" in text
