"""What the collector will wake by ending a task that nobody holds is not proven; that task is."""

import asyncio
import gc

import pytest
from healthy_waits import LOOPS, forget_registry, new_future, prove_then_wake, registry, run_on, set_result

from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import proof_on_demand

WAITS = {}


def ended_by_the_collector(wait):
    """Register a wait that is woken when the collector ends a task that nobody holds."""
    WAITS[wait.__name__] = wait
    return wait


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    forget_registry()


@ended_by_the_collector
def lock_that_a_finally_lets_go(start):
    """Nobody holds the task with the lock; the collector ends it, and its frame lets the lock go."""
    lock = asyncio.Lock()

    async def left(lock):
        async with lock:
            await new_future()

    async def wait(lock):
        await asyncio.sleep(0)
        async with lock:
            return

    registry.task = start(wait(lock))
    asyncio.get_running_loop().create_task(left(lock))


@ended_by_the_collector
def task_that_a_finally_cancels(start):
    async def wait():
        try:
            await new_future()
        except asyncio.CancelledError:
            return

    async def left(task):
        try:
            await new_future()
        finally:
            task.cancel()

    asyncio.get_running_loop().create_task(left(start(wait())))


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("name", sorted(WAITS))
def test_task_woken_by_the_next_collection_is_not_proven(name, kind):
    """The task that nobody holds never wakes and is proven; what its ``finally`` will wake is not."""

    def wait(start):
        WAITS[name](start)
        return wake

    def wake():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        gc.enable()
        gc.collect()

    gc.disable()
    try:
        proven = run_on(kind, prove_then_wake(wait, collect=False))
    finally:
        gc.enable()

    assert [each.rpartition(".")[2] for each in proven] == ["left"]


@pytest.mark.parametrize("kind", LOOPS)
def test_prove_older_garbage_woken_by_younger_is_not_proven(kind):
    """Nothing holds either task; a young collection closes the younger one, which completes the older one's wait."""
    woken = []

    async def wait(future):
        await future
        woken.append("older")

    async def left(future):
        try:
            await new_future()
        finally:
            set_result(future)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        future = new_future()
        loop.create_task(wait(future))
        await asyncio.sleep(0)
        gc.collect()
        loop.create_task(left(future))
        del future
        await asyncio.sleep(0)
        proof = proof_on_demand(iter(asyncio.all_tasks()))
        names = [reference().get_coro().__name__ for reference in proof.unwakeable]
        gc.collect(0)
        await asyncio.sleep(0)
        return names

    gc.disable()
    try:
        proven = run_on(kind, main())
    finally:
        gc.enable()
    assert proven == ["left"]
    assert woken == ["older"]
