"""Machinery of real libraries that outlives a test is left out by name, and what only looks like it is not."""

import asyncio
import threading

import pytest
from jupyter_core.utils import run_sync
from leaking import kept
from zmq.utils.garbage import GarbageCollector

from opentelemetry.instrumentation.concurrency.testing import LeakError, check_leaks


async def nothing():
    pass


async def run_inside_a_loop():
    """What jupyter_core does where a loop runs already: a thread with a loop of its own, for this thread's name."""
    run_sync(nothing)()


def test_runner_of_jupyter_for_a_living_thread_is_machinery():
    with check_leaks(timeout=0.05):
        asyncio.run(run_inside_a_loop())
    assert any(thread.name.endswith(f"{threading.current_thread().name} - runner") for thread in threading.enumerate())


def test_runner_of_jupyter_for_an_ended_thread_is_a_leak():
    def work():
        asyncio.run(run_inside_a_loop())

    with pytest.raises(LeakError, match="thread 'request-1 - runner'"), check_leaks(timeout=0.05):
        worker = threading.Thread(target=work, name="request-1")
        worker.start()
        worker.join()


def test_garbage_collector_of_zmq_is_machinery():
    with kept() as held:
        with check_leaks(timeout=0.05):
            collector = GarbageCollector()
            collector.start()
        assert collector.is_alive()
        with pytest.raises(LeakError), check_leaks(timeout=0.05):
            held.leak_thread()
    collector.stop()
