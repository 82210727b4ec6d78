"""A reference to a coroutine that a task awaits wakes nothing, and what such a coroutine will wake is never proven."""

import asyncio
import contextlib
from weakref import ref

import aiojobs
import pytest
from healthy_waits import (
    LOOPS,
    Waits,
    end,
    forget_registry,
    new_future,
    on,
    prove_then_wake,
    registry,
    run_on,
    set_result,
)
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import proof_on_demand

WAITS = Waits()
healthy = WAITS.healthy


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    forget_registry()


async def around(coro):
    return await coro


async def wait_for_ever():
    await new_future()


@contextlib.contextmanager
def upstream(installed):
    """Install OpenTelemetry's instrumentation of asyncio, or not."""
    if installed:
        AsyncioInstrumentor().instrument()
    try:
        yield
    finally:
        if installed:
            AsyncioInstrumentor().uninstrument()


def proven(tasks):
    """Return how many of some tasks are proven; the list is emptied, as its references would count."""
    references = [ref(task) for task in tasks]
    del tasks[:]
    found = proof_on_demand(task for reference in references if (task := reference()) is not None)
    assert found.undecided == ""
    return len(found.unwakeable)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("installed", [False, True], ids=["alone", "with upstream"])
def test_aiojobs_jobs_are_proven_with_and_without_upstream(loop, installed):
    """A job keeps its coroutine, which upstream's wrapper awaits."""

    async def main():
        scheduler = registry.scheduler = aiojobs.Scheduler()
        started = [await scheduler.spawn(wait_for_ever()) for _ in range(25)]
        tasks = [job._task for job in started]
        del started[:]
        await asyncio.sleep(0)
        try:
            return proven(tasks)
        finally:
            await scheduler.close()

    with upstream(installed):
        assert run_on(loop, main()) == 25


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_task_whose_inner_coroutine_is_held_is_proven(loop, depth):
    async def main():
        coro = registry.inner = wait_for_ever()
        for _ in range(depth):
            coro = around(coro)
        task = registry.task = asyncio.ensure_future(coro)
        del coro
        await asyncio.sleep(0)
        tasks = [task]
        del task
        count = proven(tasks)
        await end([registry.task])
        return count

    assert run_on(loop, main()) == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_live_timer_to_an_inner_coroutine_hinders_the_proof(loop):
    """As one that leads to the task does: it may have been made to end it. However far the future is from there."""

    async def main():
        inner = wait_for_ever()
        for _ in range(20):
            inner = around(inner)
        timer = asyncio.get_running_loop().call_later(3600, inner.close)
        task = registry.task = asyncio.ensure_future(around(inner))
        del inner
        await asyncio.sleep(0)
        tasks = [task]
        del task
        before = proven(tasks)
        timer.cancel()
        tasks = [registry.task]
        after = proven(tasks)
        await end([registry.task])
        return before, after

    assert run_on(loop, main()) == (0, 1)


@healthy
def held_by_the_inner_coroutine_of_a_task_that_wakes(start):
    async def relay(first, second):
        await first
        set_result(second)

    first, second = new_future(), new_future()
    registry.first = first
    start(around(around(relay(first, second))))
    start(on(second))
    del second
    return lambda: set_result(registry.first)


@healthy
def held_by_an_inner_coroutine_that_is_held_itself(start):
    async def relay(first, second):
        await first
        set_result(second)

    first, second = new_future(), new_future()
    registry.first = first
    registry.relay = relay(first, second)
    start(around(registry.relay))
    start(on(second))
    del second
    return lambda: set_result(registry.first)


@healthy
def held_by_a_generator_that_an_awaitable_returns(start):
    """Whoever holds a generator may resume it: only coroutines that await each other directly are left out."""

    class Gate:
        def __init__(self):
            self.steps = self.wait()

        def wait(self):
            future = new_future()
            yield from future.__await__()

        def __await__(self):
            return self.steps

    gate = registry.gate = Gate()
    start(around(gate))
    del gate
    return lambda: set_result(registry.gate.steps.gi_frame.f_locals["future"])


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", WAITS)
def test_task_woken_by_an_inner_coroutine_is_not_proven(name, loop):
    assert run_on(loop, prove_then_wake(WAITS[name])) == []
