"""What the event loop, a timer or a thread will wake or cancel is never proven."""

import asyncio
import functools
import os
import signal
import sys
import threading

import pytest
from healthy_waits import LOOPS, Waits, forget_registry, new_future, on, prove_then_wake, registry, run_on, set_result

WAITS = Waits()
healthy = WAITS.healthy


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    forget_registry()


@healthy
def woken_by_a_signal_of_the_loop(start):
    event = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, event.set)
    start(event.wait())
    del event
    return lambda: os.kill(os.getpid(), signal.SIGUSR1)


@healthy
def semaphore_held_by_a_sleeper(start):
    semaphore = asyncio.Semaphore(1)

    async def work():
        async with semaphore:
            await asyncio.sleep(0.05)

    for _ in range(3):
        start(work())


@healthy
def condition_that_a_timer_notifies(start):
    condition = asyncio.Condition()

    async def wait():
        async with condition:
            await condition.wait()

    async def notify():
        await asyncio.sleep(0.05)
        async with condition:
            condition.notify_all()

    start(wait())
    start(notify())


@healthy
def sleep(start):
    start(asyncio.sleep(0.05))


@healthy
def timeout_below_twenty_callers_that_cancels_a_gathering(start):
    """What is cancelled cancels what it awaits; how deep it stands in its task makes no difference."""

    async def stuck():
        try:
            await new_future()
        except asyncio.CancelledError:
            return

    async def call(depth):
        if depth:
            return await call(depth - 1)
        try:
            return await asyncio.wait_for(asyncio.gather(group(), group()), 0.05)
        except asyncio.TimeoutError:
            return None

    async def group():
        await asyncio.gather(start(stuck()), start(stuck()))

    start(call(20))


@healthy
def watchdogs_that_sleep_and_cancel(start):
    """A timeout made by hand, over a task in a variable, in an attribute and in a variable of an outer function."""

    async def stuck():
        try:
            await new_future()
        except asyncio.CancelledError:
            return

    async def watch(task):
        await asyncio.sleep(0.05)
        task.cancel()

    class Connection:
        def __init__(self):
            self.reader = start(stuck())

        async def watch(self):
            await asyncio.sleep(0.05)
            self.reader.cancel()

    outer = start(stuck())

    async def watch_outer():
        await asyncio.sleep(0.05)
        outer.cancel()

    start(watch(start(stuck())))
    start(Connection().watch())
    start(watch_outer())


async def stuck_until_cancelled():
    try:
        await new_future()
    except asyncio.CancelledError:
        return


async def call_later(call):
    await asyncio.sleep(0.05)
    call()


@healthy
def watchdogs_that_call_what_cancels(start):
    """The task is behind a bound method, a function's closure or default, a partial, or one in the other."""

    class Connection:
        def __init__(self):
            self.reader = start(stuck_until_cancelled())

        def close(self):
            self.reader.cancel()

    enclosed, by_default = start(stuck_until_cancelled()), start(stuck_until_cancelled())
    close = Connection().close
    start(call_later(start(stuck_until_cancelled()).cancel))
    start(call_later(Connection().close))
    start(call_later(lambda: enclosed.cancel()))
    start(call_later(lambda task=by_default: task.cancel()))
    start(call_later(functools.partial(asyncio.Task.cancel, start(stuck_until_cancelled()))))
    start(call_later(lambda: functools.partial(close)()))


@healthy
def watchdog_of_an_enclosed_object(start):
    """The coroutine is defined within a method, so that the object is a variable of its closure."""

    class Connection:
        def __init__(self):
            self.reader = start(stuck_until_cancelled())

        def watch(self):
            async def watchdog():
                await asyncio.sleep(0.05)
                self.reader.cancel()

            start(watchdog())

    Connection().watch()


@healthy
def watchdog_that_cancels_three_attributes_away(start):
    class Held:
        __slots__ = ("held",)

        def __init__(self, held):
            self.held = held

        async def watch(self):
            await asyncio.sleep(0.05)
            self.held.held.held.cancel()

    start(Held(Held(Held(start(stuck_until_cancelled())))).watch())


@healthy
def timeout_around_a_group_of_tasks(start):
    if sys.version_info < (3, 11):
        return

    async def stuck():
        try:
            await new_future()
        except asyncio.CancelledError:
            return

    async def serve(depth):
        if depth:
            return await serve(depth - 1)
        try:
            async with asyncio.timeout(0.05), asyncio.TaskGroup() as group:
                held = [[group]]
                group.create_task(stuck())
                group.create_task(stuck())
                await on(new_future())
                del held
        except TimeoutError:
            return None

    start(serve(20))


@healthy
def timeouts(start):
    async def wait_for():
        try:
            await asyncio.wait_for(new_future(), 0.05)
        except asyncio.TimeoutError:
            return

    async def wait():
        await asyncio.wait([asyncio.ensure_future(on(new_future()))], timeout=0.05)

    start(wait_for())
    start(wait())
    if sys.version_info >= (3, 11):

        async def timeout():
            try:
                async with asyncio.timeout(0.05):
                    await new_future()
            except TimeoutError:
                return

        start(timeout())


def cancel_later(start, make):
    async def wait():
        try:
            await new_future()
        except asyncio.CancelledError:
            return

    make(asyncio.get_running_loop(), start(wait()))


@healthy
def cancelled_by_a_timer(start):
    cancel_later(start, lambda loop, task: loop.call_later(0.05, task.cancel))


@healthy
def cancelled_by_a_timer_at(start):
    cancel_later(start, lambda loop, task: loop.call_at(loop.time() + 0.05, task.cancel))


@healthy
def cancelled_by_a_timer_with_partial(start):
    cancel_later(start, lambda loop, task: loop.call_later(0.05, functools.partial(task.cancel, msg="late")))


@healthy
def cancelled_by_a_timer_with_lambda(start):
    cancel_later(start, lambda loop, task: loop.call_later(0.05, lambda: task.cancel()))


@healthy
def cancelled_by_a_timer_of_its_manager(start):
    class Manager:
        def __init__(self):
            self.tasks = []

        def close(self):
            for task in self.tasks:
                task.cancel()

    def make(loop, task):
        manager = Manager()
        manager.tasks.append(task)
        loop.call_later(0.05, manager.close)

    cancel_later(start, make)


@healthy
def woken_by_call_soon_threadsafe_from_a_thread(start):
    loop, future, go = asyncio.get_running_loop(), new_future(), threading.Event()
    threading.Thread(
        target=lambda future: (go.wait(), loop.call_soon_threadsafe(set_result, future)), args=(future,)
    ).start()
    start(on(future))
    del future
    return go.set


@healthy
def work_in_an_executor(start):
    go = threading.Event()

    async def work():
        await asyncio.get_running_loop().run_in_executor(None, go.wait)

    start(work())
    return go.set


@healthy
def second_loop(start):
    loop, go = asyncio.get_running_loop(), threading.Event()

    async def elsewhere(future):
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        loop.call_soon_threadsafe(set_result, future)

    future = new_future()
    threading.Thread(target=lambda future: asyncio.run(elsewhere(future)), args=(future,)).start()
    start(on(future))
    del future
    return go.set


@healthy
def stopped_loop_that_is_run_again(start):
    other, loop = asyncio.new_event_loop(), asyncio.get_running_loop()
    registry.other = other

    async def wake(future):
        await asyncio.sleep(0)
        loop.call_soon_threadsafe(set_result, future)

    future = new_future()
    registry.task = other.create_task(wake(future))
    start(on(future))
    del future

    def run_again():
        thread = threading.Thread(target=lambda: other.run_until_complete(registry.task))
        thread.start()
        thread.join()
        other.close()

    return run_again


@healthy
def anyio_task_group(start):
    anyio = pytest.importorskip("anyio")
    registry.event = anyio.Event()

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(registry.event.wait)

    start(main())
    return lambda: registry.event.set()


@healthy
def anyio_deadline(start):
    anyio = pytest.importorskip("anyio")

    async def main():
        with anyio.move_on_after(0.05):
            await anyio.Event().wait()

    start(main())


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("name", sorted(WAITS))
def test_healthy_wait_is_not_proven(name, kind):
    """Whatever was proven must not wake; and every one of these does."""
    assert run_on(kind, prove_then_wake(WAITS[name])) == []
