"""Which threads may be about to wait for the future of a coroutine, or to cancel it."""

import asyncio
import sys
import threading
from contextlib import contextmanager

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof.holding_threads import (
    _handles_futures,
    a_thread_handles_futures,
)

begin = asyncio.run_coroutine_threadsafe


@contextmanager
def thread_in(function):
    """Give the frame in which a thread waits that a function has brought there."""
    reached, goes_on = threading.Event(), threading.Event()

    def wait():
        reached.set()
        goes_on.wait()

    thread = threading.Thread(target=function, args=(wait,))
    thread.start()
    assert reached.wait(10)
    try:
        yield lambda: sys._current_frames()[thread.ident]
    finally:
        goes_on.set()
        thread.join()


def waits_for_a_result_later(wait):
    future = wait()
    return future and future.result()


def cancels_later(wait):
    future = wait()
    return future and future.cancel()


def submits_and_forgets(wait, loop=None):
    wait()
    if loop is not None:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop)


def does_neither(wait):
    wait()


def runs_a_loop_for_a_result(wait):
    """Like ``asyncio.run(main()).result``: what follows the loop begins when the loop has ended."""

    async def main():
        wait()

    asyncio.run(main())
    return [each.result() for each in ()]


@pytest.mark.parametrize("function", [waits_for_a_result_later, cancels_later, submits_and_forgets])
def test_thread_whose_code_handles_futures_counts(function):
    with thread_in(function) as frame:
        assert _handles_futures(frame())
        assert a_thread_handles_futures()


@pytest.mark.parametrize("function", [does_neither, runs_a_loop_for_a_result])
def test_thread_whose_code_handles_none_does_not_count(function):
    with thread_in(function) as frame:
        assert not _handles_futures(frame())


def test_thread_within_asyncio_that_submits_counts():
    """It holds the future that it is about to return, and its caller may name nothing."""

    class Loop:
        def call_soon_threadsafe(self, _callback):
            self.wait()

    def submit(wait):
        loop.wait = wait
        coroutine.append(asyncio.sleep(0))
        begin(coroutine[0], loop)

    loop, coroutine = Loop(), []
    with thread_in(submit) as frame:
        assert _handles_futures(frame())
    coroutine[0].close()
