"""Wrappers of other instrumentations are no place where anything waits, and change neither names nor fingerprints."""

import asyncio
import contextlib
import queue
import threading

import pytest
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from suspended_tasks import middle, outer, suspended

from opentelemetry.instrumentation.concurrency.diagnose.introspection.fingerprint import fingerprint, waiting_at
from opentelemetry.instrumentation.concurrency.diagnose.introspection.instrumentation_wrappers import is_wrapper
from opentelemetry.instrumentation.concurrency.diagnose.verdict.observation import observe
from opentelemetry.instrumentation.concurrency.record.site import Site

SITE = Site("task", 0, middle.__code__, 0, "app")


@contextlib.contextmanager
def upstream(instrumentor, installed):
    if installed:
        instrumentor.instrument()
    try:
        yield
    finally:
        if installed:
            instrumentor.uninstrument()


def task_sight(run, make, installed):
    """Return what is seen of a task that runs ``make()``, with or without OpenTelemetry's instrumentation."""

    async def main():
        async with suspended(make()) as task:
            return observe("task", task)

    with upstream(AsyncioInstrumentor(), installed):
        return run(main)


def forever():
    return outer(asyncio.get_running_loop().create_future())


def event():
    return asyncio.Event().wait()


@pytest.mark.parametrize("make", [forever, event])
def test_task_is_named_alike_with_and_without_upstream(run, make):
    bare, wrapped = (task_sight(run, make, installed) for installed in (False, True))
    assert any(frame.is_wrapper for frame in wrapped.chain) and not any(frame.is_wrapper for frame in bare.chain)
    assert wrapped.coroutine == bare.coroutine
    assert waiting_at(wrapped.chain) == waiting_at(bare.chain)
    prints = {fingerprint(SITE, each.chain, each.wait_reason) for each in (bare, wrapped)}
    assert len(prints) == 1


class Awaitable:
    """Awaits a future, and shows no frame of its own."""

    def __init__(self, future):
        self.future = future

    def __await__(self):
        return iter(self.future)


@pytest.mark.parametrize("library_only", [True, False])
def test_upstream_wrapper_alone_is_never_the_place(run, library_only):
    async def main():
        awaited = asyncio.get_running_loop().create_future()
        coro = AsyncioInstrumentor().trace_coroutine(awaited if library_only else Awaitable(awaited))
        async with suspended(coro) as task:
            return observe("task", task)

    observation = run(main)
    assert "trace_coroutine" not in observation.coroutine
    assert waiting_at(observation.chain) is None


@contextlib.contextmanager
def timer_as_before():
    """Take away what the instrumentation leaves on `threading.Timer`: a ``start`` of its own, past all later hooks."""
    own = set(vars(threading.Timer))
    yield
    for name in set(vars(threading.Timer)) - own - {"__doc__"}:
        delattr(threading.Timer, name)


def thread_sight(target, installed):
    stop = queue.SimpleQueue()
    with timer_as_before(), upstream(ThreadingInstrumentor(), installed):
        thread = threading.Thread(target=target, args=(stop,), daemon=True)
        thread.start()
        try:
            return observe("thread", thread)
        finally:
            stop.put(None)
            thread.join()


def take(stop):
    stop.get()


def test_thread_waits_at_the_same_place_under_upstream():
    bare, wrapped = (thread_sight(take, installed) for installed in (False, True))
    assert any(frame.is_wrapper for frame in wrapped.chain)
    assert waiting_at(wrapped.chain).function.endswith(".take")
    assert fingerprint(SITE, wrapped.chain, "lock") == fingerprint(SITE, bare.chain, "lock")


def test_thread_without_target_frame_waits_outside_upstream():
    observation = thread_sight(queue.SimpleQueue.get, installed=True)
    assert any(frame.is_wrapper for frame in observation.chain)
    assert waiting_at(observation.chain) is None


@pytest.mark.parametrize(
    ("function", "module", "expected"),
    [
        ("trace_coroutine", "opentelemetry.instrumentation.asyncio", True),
        ("__wrap_threading_run", "opentelemetry.instrumentation.threading", True),
        ("_task_with_sentry_span_creation", "sentry_sdk.integrations.asyncio", True),
        ("run", "sentry_sdk.integrations.threading", True),
        ("_target", "sentry_sdk.worker", False),
        ("traced_coro", "ddtrace.contrib.internal.asyncio.patch", True),
        ("_run_wrapped_task", "anyio._backends._asyncio", True),
        ("wait", "anyio._backends._asyncio", False),
        ("trace_coroutine", "shop.tracing", False),
        ("main", "", False),
    ],
)
def test_wrapper_is_known_by_function_and_module(function, module, expected):
    assert is_wrapper(function, module) is expected
