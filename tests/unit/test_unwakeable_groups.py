"""What a task group cancels is never proven while anything can: its members, its host, and what these await."""

import asyncio
import concurrent.futures
import contextlib
import functools
import sys
import threading
import types
import weakref

import anyio
import pytest
from healthy_waits import LOOPS, Waits, forget_registry, new_future, prove_then_wake, registry, run_on

WAITS = Waits()
healthy = WAITS.healthy
HAS_GROUPS = sys.version_info >= (3, 11)


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    forget_registry()


async def stuck():
    """Wait for what nobody completes; a person ends it by cancelling."""
    try:
        await new_future()
    except asyncio.CancelledError:
        return


async def fail_when_told():
    await registry.event.wait()
    raise ValueError


@contextlib.asynccontextmanager
async def group_that_may_fail():
    """A group of asyncio, or of anyio where there is none."""
    registry.event = asyncio.Event()
    with contextlib.suppress(BaseException):
        if HAS_GROUPS:
            async with asyncio.TaskGroup() as group:
                yield group.create_task
        else:
            async with anyio.create_task_group() as group:
                yield lambda coro: group.start_soon(lambda: coro)


@healthy
def host_that_a_member_cancels_by_failing(start):
    async def host():
        async with group_that_may_fail() as begin:
            begin(fail_when_told())
            begin(stuck())
            await new_future()

    start(host())
    return lambda: registry.event.set()


@healthy
def task_that_the_host_of_a_failing_group_awaits(start):
    async def host():
        async with group_that_may_fail() as begin:
            begin(fail_when_told())
            await asyncio.ensure_future(stuck())

    start(host())
    return lambda: registry.event.set()


@healthy
def tasks_that_a_member_of_a_failing_group_gathers(start):
    async def member():
        await asyncio.gather(stuck(), asyncio.ensure_future(stuck()))

    async def host():
        async with group_that_may_fail() as begin:
            begin(fail_when_told())
            begin(member())

    start(host())
    return lambda: registry.event.set()


@healthy
def host_whose_member_cancels_the_scope_of_anyio(start):
    async def host():
        registry.event = asyncio.Event()
        async with anyio.create_task_group() as group:

            async def end():
                await registry.event.wait()
                group.cancel_scope.cancel()

            group.start_soon(end)
            await new_future()

    start(host())
    return lambda: registry.event.set()


@healthy
def first_of_two_that_cancels_the_other(start):
    async def first():
        tasks = [asyncio.ensure_future(stuck()), asyncio.ensure_future(asyncio.sleep(0.05))]
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    start(first())


@healthy
def done_callback_of_a_sleeper_that_cancels(start):
    task = start(stuck())
    start(asyncio.sleep(0.05)).add_done_callback(lambda _: task.cancel())


@healthy
def tasks_of_a_local_collection(start):
    async def watch(*tasks):
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()

    async def watch_more():
        several = {"one": asyncio.ensure_future(stuck())}
        await asyncio.sleep(0.05)
        several["one"].cancel()

    start(watch(start(stuck()), start(stuck())))
    start(watch_more())


@healthy
def tasks_on_an_exit_stack(start):
    async def run():
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(asyncio.ensure_future(stuck()).cancel)
            await asyncio.sleep(0.05)

    start(run())


@healthy
def task_behind_a_weak_reference(start):
    async def watch(reference):
        await asyncio.sleep(0.05)
        reference().cancel()

    start(watch(weakref.ref(start(stuck()))))


@healthy
def supervisor_behind_an_event_of_an_object(start):
    """The sleeper sets an event, and who waits for that cancels."""
    task = start(stuck())

    async def supervise(event):
        await event.wait()
        task.cancel()

    async def signal(holder):
        await asyncio.sleep(0.05)
        holder.event.set()

    holder = types.SimpleNamespace(event=asyncio.Event())
    start(supervise(holder.event))
    start(signal(holder))


async def cancel_global():
    await asyncio.sleep(0.05)
    a_global_task.cancel()


def cancel_global_now():
    a_global_task.cancel()


@healthy
def task_in_a_variable_of_the_module(start):
    global a_global_task
    a_global_task = start(stuck())
    start(cancel_global())


@healthy
def task_in_a_variable_of_the_module_of_a_timers_function(start):
    global a_global_task
    a_global_task = start(stuck())
    asyncio.get_running_loop().call_later(0.05, functools.partial(cancel_global_now))


@healthy
def task_of_another_thread_that_gives_up(start):
    """As in asyncio's documentation: ``result`` with a timeout, then ``cancel``."""
    loop = asyncio.get_running_loop()
    submitted, gives_up = threading.Event(), threading.Event()

    def submit():
        future = asyncio.run_coroutine_threadsafe(new_stuck(), loop)
        submitted.set()
        while not gives_up.is_set():
            with contextlib.suppress(concurrent.futures.TimeoutError):
                future.result(0.05)
        future.cancel()

    async def new_stuck():
        with contextlib.suppress(asyncio.CancelledError):
            await new_future()

    async def watch_thread():
        await loop.run_in_executor(None, submit)

    start(watch_thread())
    return gives_up.set


@healthy
def task_of_another_thread_that_works_before_it_gives_up(start):
    """It holds the future of the task in a variable and does not wait for it yet."""
    loop = asyncio.get_running_loop()
    submitted, gives_up = threading.Event(), threading.Event()

    def submit():
        future = asyncio.run_coroutine_threadsafe(stuck(), loop)
        submitted.set()
        gives_up.wait()
        future.cancel()

    async def watch_thread():
        await loop.run_in_executor(None, submit)

    async def wake():
        # The coroutine has become a task.
        await asyncio.to_thread(submitted.wait)
        gives_up.set()

    start(watch_thread())
    return wake


@healthy
def task_of_another_thread_whose_helper_submits(start):
    """The name that tells is in another function than the variable."""
    loop = asyncio.get_running_loop()
    gives_up = threading.Event()

    def helper(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def submit():
        future = helper(stuck())
        gives_up.wait()
        with contextlib.suppress(concurrent.futures.TimeoutError):
            future.result(0)
        future.cancel()

    async def watch_thread():
        await loop.run_in_executor(None, submit)

    start(watch_thread())
    return gives_up.set


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("name", sorted(WAITS))
def test_healthy_wait_is_not_proven(name, kind):
    """Whatever was proven must not wake; and every one of these does."""
    assert run_on(kind, prove_then_wake(WAITS[name])) == []
