"""What can never wake again is proven: the leaks that a proof must find, and what it leaves open."""

import asyncio
import gc
import weakref

import pytest
from healthy_waits import LOOPS, end, forget_registry, new_future, newest, on, registry, run_on

from opentelemetry.instrumentation.concurrency.diagnose.introspection.stalls import StallMark
from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import (
    proof_on_demand,
)

LEAKS = {}


def leak(start):
    """Register a leak: it is given ``start(coro)``; everything it starts can never wake."""
    LEAKS[start.__name__] = start
    return start


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    forget_registry()
    # Tasks that await each other cannot be cancelled; they end here, and not in the middle of another test.
    gc.collect()


@leak
def future_that_nobody_holds(start):
    start(on(new_future()))


@leak
def full_queue_without_reader(start):
    queue = asyncio.Queue(1)
    queue.put_nowait(1)
    start(queue.put(2))


@leak
def empty_queue_without_writer(start):
    queue = asyncio.Queue()
    for _ in range(3):
        start(queue.get())


@leak
def event_that_nobody_sets(start):
    start(asyncio.Event().wait())


@leak
def lock_whose_holder_leaks_as_well(start):
    async def work(lock):
        async with lock:
            await new_future()

    lock = asyncio.Lock()
    start(work(lock))
    start(work(lock))


@leak
def semaphore_and_condition(start):
    async def both():
        semaphore, condition = asyncio.Semaphore(1), asyncio.Condition()
        async with semaphore, condition:
            await condition.wait()

    start(both())


@leak
def gather_wait_for_and_shield_of_what_is_stuck(start):
    async def gathered():
        await asyncio.gather(on(new_future()), on(new_future()))

    async def unlimited():
        await asyncio.wait_for(on(new_future()), None)

    async def shielded():
        await asyncio.shield(on(new_future()))

    for coro in (gathered(), unlimited(), shielded()):
        start(coro)


@leak
def chain_of_tasks(start):
    task = start(on(new_future()))
    for _ in range(5):
        task = start(on(task))


@leak
def tasks_that_await_each_other(start):
    tasks = {}

    async def follow(number):
        await tasks[number]

    for number in range(3):
        tasks[number] = start(follow((number + 1) % 3))


@leak
def locks_taken_in_opposite_order(start):
    async def work(one, two):
        async with one:
            await asyncio.sleep(0)
            async with two:
                raise AssertionError

    one, two = asyncio.Lock(), asyncio.Lock()
    start(work(one, two))
    start(work(two, one))


@leak
def async_generator_that_nobody_feeds(start):
    async def items():
        async for item in more():
            yield item

    async def more():
        yield await new_future()

    async def consume():
        async for _ in items():
            pass

    start(consume())


@leak
def cycle_that_a_running_task_knows(start):
    """The running task could cancel one of the two when it wakes, but that fails."""

    async def follow(tasks, number):
        await tasks[1 - number]

    async def serve(tasks):
        await asyncio.sleep(3600)

    tasks = {}
    for number in range(2):
        tasks[number] = start(follow(tasks, number))
    registry.server = asyncio.ensure_future(serve(tasks))


@leak
def anyio_event(start):
    anyio = pytest.importorskip("anyio")

    async def wait():
        await anyio.Event().wait()

    start(wait())


@leak
def coroutine_that_an_instrumentation_remembers_weakly(start):
    registry.met = weakref.WeakSet()

    async def wrapper(coro):
        registry.met.add(coro)
        await coro

    start(wrapper(on(new_future())))


@leak
def future_with_a_mark_of_ours(start):
    future = new_future()
    registry.mark = StallMark(future, callable)
    start(on(future))


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("name", sorted(LEAKS))
def test_leak_is_proven(name, kind):
    """The tasks are held by a set, as the asyncio documentation advises: that can cancel them, never wake them."""

    async def main():
        held = registry.background_tasks = set()

        def start(coro):
            held.add(asyncio.ensure_future(coro))
            return newest(held)

        LEAKS[name](start)
        for _ in range(10):
            await asyncio.sleep(0)
        gc.collect()
        proof = proof_on_demand(iter(asyncio.all_tasks()))
        proven = {id(reference()) for reference in proof.unwakeable}
        missed = [task.get_coro().__qualname__ for task in held if id(task) not in proven]
        assert id(asyncio.current_task()) not in proven
        await end(held)
        return missed, proof.undecided

    assert run_on(kind, main()) == ([], "")
