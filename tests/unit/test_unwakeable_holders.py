"""What can still wake is never proven, whoever holds its wake-up."""

import asyncio
import contextvars
import ctypes
import functools
import itertools
import operator
import os
import signal
import threading
import weakref

import pytest
from healthy_waits import LOOPS, Waits, forget_registry, new_future, on, prove_then_wake, registry, run_on, set_result

WAITS = Waits()
healthy = WAITS.healthy
local = threading.local()
variable = contextvars.ContextVar("variable")


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    forget_registry()


@healthy
def held_by_a_module(start):
    registry.future = new_future()
    start(on(registry.future))
    return lambda: set_result(registry.future)


@healthy
def held_by_a_thread_local(start):
    local.future = new_future()
    start(on(local.future))
    return lambda: set_result(local.future)


@healthy
def held_by_a_generator_in_a_running_frame(start):
    future = new_future()

    def generate(future):
        yield
        set_result(future)
        yield

    generator = generate(future)
    next(generator)
    start(on(future))
    del future
    return lambda: next(generator)


@healthy
def held_by_ctypes(start):
    future = new_future()
    pointer = ctypes.py_object(future)
    start(on(future))
    del future
    return lambda: set_result(pointer.value)


@healthy
def held_by_a_context_variable(start):
    future = new_future()
    context = contextvars.copy_context()
    context.run(variable.set, future)
    start(on(future))
    del future
    return lambda: set_result(context[variable])


@healthy
def held_by_a_partial(start):
    future = new_future()
    wake = functools.partial(set_result, future)
    start(on(future))
    del future
    return wake


@healthy
def held_by_a_weak_method(start):
    class Waker:
        def __init__(self):
            self.future = new_future()

        def wake(self):
            set_result(self.future)

        async def wait(self):
            await self.future

    waker = Waker()
    registry.method = weakref.WeakMethod(waker.wake)
    start(waker.wait())
    del waker
    return lambda: registry.method()()


@healthy
def held_by_a_weak_registry(start):
    class Channel:
        def __init__(self):
            self.future = new_future()

        async def wait(self):
            await self.future

    registry.channels = weakref.WeakValueDictionary()
    channel = Channel()
    registry.channels["one"] = channel
    start(channel.wait())
    del channel
    return lambda: set_result(registry.channels["one"].future)


@healthy
def woken_by_a_finalizer(start):
    class Resource:
        pass

    future = new_future()
    registry.resource = Resource()
    weakref.finalize(registry.resource, set_result, future).atexit = False
    start(on(future))
    del future
    return lambda: registry.__dict__.clear()


@healthy
def woken_by_del(start):
    class Resource:
        def __init__(self, future):
            self.future = future

        def __del__(self):
            set_result(self.future)

    future = new_future()
    registry.resource = Resource(future)
    start(on(future))
    del future
    return lambda: registry.__dict__.clear()


@healthy
def woken_by_a_signal(start):
    future = new_future()
    before = signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon_threadsafe(set_result, future))
    loop = asyncio.get_running_loop()
    start(on(future))

    def wake():
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, before)

    return wake


@healthy
def held_by_another_task(start):
    future, go = new_future(), asyncio.Event()
    registry.go = go

    async def waker(future):
        await go.wait()
        set_result(future)

    start(waker(future))
    start(on(future))
    del future
    return go.set


@healthy
def queue_of_a_live_producer(start):
    queue, registry.go = asyncio.Queue(), asyncio.Event()

    async def produce():
        await registry.go.wait()
        await queue.put(1)

    start(queue.get())
    start(produce())
    return registry.go.set


@healthy
def lock_held_by_a_live_task(start):
    lock, registry.go = asyncio.Lock(), asyncio.Event()

    async def work():
        async with lock:
            await registry.go.wait()

    start(work())
    start(lock.acquire())
    return registry.go.set


@healthy
def gather_wait_and_shield_of_what_wakes(start):
    futures = registry.futures = [new_future() for _ in range(3)]

    async def gathered():
        await asyncio.gather(*(on(future) for future in futures))

    async def first():
        await asyncio.wait([asyncio.ensure_future(on(futures[0]))])

    async def shielded():
        await asyncio.shield(on(futures[1]))

    for coro in (gathered(), first(), shielded()):
        start(coro)
    return lambda: [set_result(future) for future in futures]


@healthy
def held_by_what_the_collector_does_not_track(start):
    """Iterators of C, slices and getters hold what they hold, traversed or not."""
    future = new_future()
    holders = [itertools.cycle([future]), operator.methodcaller("x", future), map(set_result, [future]), slice(future)]
    start(on(future))
    del future
    return lambda: set_result(next(holders[0]))


@healthy
def held_by_a_traceback(start):
    future = new_future()

    def fail(future):
        raise ValueError

    try:
        fail(future)
    except ValueError as error:
        registry.error = error
    start(on(future))
    del future
    return lambda: set_result(registry.error.__traceback__.tb_next.tb_frame.f_locals["future"])


@healthy
def async_generator_that_is_fed(start):
    queue = registry.queue = asyncio.Queue()

    async def items():
        while (item := await queue.get()) is not None:
            yield item

    async def consume():
        async for _ in items():
            pass

    start(consume())
    return lambda: registry.queue.put_nowait(None)


@healthy
def async_generator_known_by_a_weak_reference(start):
    """The loop has one to it as well, which equals the application's."""

    async def numbers(future):
        try:
            yield 1
        finally:
            set_result(future)

    async def wait():
        future = new_future()
        generator = numbers(future)
        await generator.__anext__()
        registry.generator = weakref.ref(generator)
        await future

    start(wait())
    return lambda: registry.generator().aclose()


@healthy
def finished_task_of_a_weak_set(start):
    """asyncio's registry has a reference to it as well, which equals that of the application's set."""
    registry.finished = weakref.WeakSet()

    async def end():
        pass

    async def wait():
        task = asyncio.ensure_future(end())
        await task
        task.waits = new_future()
        registry.finished.add(task)
        await task.waits

    start(wait())
    return lambda: set_result(next(iter(registry.finished)).waits)


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("name", sorted(WAITS))
def test_healthy_wait_is_not_proven(name, kind):
    """Whatever was proven must not wake; and every one of these does."""
    assert run_on(kind, prove_then_wake(WAITS[name])) == []
