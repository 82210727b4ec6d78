"""The pending calls of an event loop: which are live, and which loops show them."""

import asyncio
import contextlib
import signal
import sys
import threading

import pytest
from suspended_tasks import socket_pair

from opentelemetry.instrumentation.concurrency.diagnose.introspection.loop_handles import (
    handles_of,
    runs_until_done,
    timers_of_threads,
)


def call():
    """Stand for a callback of the application."""


@pytest.fixture
def loop():
    made = asyncio.SelectorEventLoop()
    yield made
    made.close()


def test_handles_of_loop_are_its_timers_and_ready_callbacks(loop):
    timer, ready = loop.call_later(60, call), loop.call_soon(call)
    found = handles_of(loop)
    assert found.timers == [timer]
    assert found.ready == [ready]


def test_handles_of_loop_omit_cancelled_timers(loop):
    loop.call_later(60, call).cancel()
    assert handles_of(loop).timers == []


def test_handles_of_loop_contain_descriptor_callbacks(loop):
    with socket_pair() as (reader, _):
        loop.add_reader(reader, call)
        reading, _ = next(pair for pair in handles_of(loop).descriptors if pair[0]._callback is call)
        loop.remove_reader(reader)
    assert isinstance(reading, asyncio.Handle)


@pytest.mark.skipif(sys.platform == "win32", reason="event loops have no signal handlers on Windows")
def test_handles_of_loop_count_signal_handlers_as_timers(loop):
    loop.add_signal_handler(signal.SIGUSR1, call)
    try:
        (handler,) = handles_of(loop).timers
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
    assert handler._callback is call


@pytest.mark.parametrize("name", ["call_later", "call_at", "call_soon"])
def test_handles_of_loop_that_overrides_scheduling_are_none(name):
    """Such a loop may keep its handles elsewhere."""

    def override(self, *args, **kwargs):
        return getattr(asyncio.SelectorEventLoop, name)(self, *args, **kwargs)

    with contextlib.closing(type("Loop", (asyncio.SelectorEventLoop,), {name: override})()) as made:
        assert handles_of(made) is None


def test_handles_of_loop_that_overrides_other_methods_are_given():
    class Loop(asyncio.SelectorEventLoop):
        def time(self):
            return super().time()

    with contextlib.closing(Loop()) as made:
        timer = made.call_later(60, call)
        assert handles_of(made).timers == [timer]


@pytest.mark.parametrize("name", ["_ready", "_scheduled"])
def test_handles_of_loop_without_its_fields_are_none(name, loop):
    kept = loop.__dict__.pop(name)
    try:
        assert handles_of(loop) is None
    finally:
        setattr(loop, name, kept)


def test_handles_of_another_object_is_none():
    assert handles_of(object()) is None


def test_handles_of_uvloop_are_its_referents():
    """Its fields in C are visible to the garbage collector alone."""
    uvloop = pytest.importorskip("uvloop")
    with contextlib.closing(uvloop.new_event_loop()) as made:
        made.call_later(60, call)
        found = handles_of(made)
    assert found.timers
    assert found.ready == found.descriptors == []


def test_timers_of_threads_are_function_and_arguments():
    argument, keyword = object(), object()
    timer = threading.Timer(3600, call, [argument], {"keyword": keyword})
    timer.start()
    try:
        found = timers_of_threads().timers
    finally:
        timer.cancel()
        timer.join()
    assert any(each is call for each in found)
    assert [argument] in found
    assert {"keyword": keyword} in found
    assert timers_of_threads().timers == []


def test_runs_until_done_only_the_task_that_the_loop_runs_for(run):
    async def main():
        other = asyncio.ensure_future(asyncio.sleep(0))
        other.add_done_callback(lambda _: call())
        found = runs_until_done(asyncio.current_task()), runs_until_done(other)
        await other
        return found

    assert run(main) == (True, False)
