"""Context managers that `long_lived` declares."""

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager

import pytest
from leaking import stuck

from opentelemetry.instrumentation.concurrency import LeakError, check_leaks, long_lived


def _start_async(held):
    held.append(asyncio.get_running_loop().create_task(stuck()))


def _async_above(held):
    @long_lived("a pool")
    @asynccontextmanager
    async def pool():
        await asyncio.sleep(0)
        _start_async(held)
        yield 5

    return pool


def _async_below(held):
    @asynccontextmanager
    @long_lived("a pool")
    async def pool():
        await asyncio.sleep(0)
        _start_async(held)
        yield 5

    return pool


@pytest.mark.parametrize("make", [_async_above, _async_below], ids=["above", "below"])
def test_tasks_of_a_declared_async_manager_are_no_leaks(make):
    held = []
    pool = make(held)

    async def main():
        async with check_leaks(timeout=0), pool() as value:
            assert value == 5
        assert not held[0].done()

    asyncio.run(main())


def test_tasks_of_the_body_of_a_declared_manager_leak():
    held = []
    pool = _async_above([])

    async def main():
        async with check_leaks(timeout=0), pool():
            _start_async(held)

    with pytest.raises(LeakError, match="1 task left behind"):
        asyncio.run(main())


def test_threads_of_a_declared_manager_are_no_leaks():
    release = threading.Event()

    @long_lived("a connection")
    @contextmanager
    def connection():
        threading.Thread(target=release.wait, daemon=True).start()
        yield

    try:
        with check_leaks(timeout=0), connection():
            pass
    finally:
        release.set()


def test_errors_of_the_body_reach_a_declared_manager():
    @long_lived("a connection")
    @contextmanager
    def connection():
        try:
            yield
        except KeyError as error:
            raise ValueError from error

    with pytest.raises(ValueError, match=r"^$"), connection():
        raise KeyError
