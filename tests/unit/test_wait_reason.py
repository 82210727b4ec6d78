"""The wait reason: one word of the contract's closed list for every task and thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
import types

import pytest
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor
from suspended_tasks import application, future, reason, reason_of, suspended

from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import (
    AwaitChain,
    Frame,
    walk_await_chain,
)
from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import (
    WAIT_REASONS,
    thread_wait_reason,
    wait_reason,
)
from opentelemetry.instrumentation.concurrency.diagnose.introspection.waiting_functions import (
    INNERMOST_THREAD_WAITS,
    PLAIN_FUTURE_WAITS,
    TASK_WAITS,
    THREAD_WAITS,
)

needs_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="new in Python 3.11")


class TestByFunction:
    """Waits that are named by the library function they happen in."""

    def test_sleep(self, run):
        """asyncio.sleep is `sleep`."""

        async def main():
            assert await reason(asyncio.sleep(3600)) == "sleep"

        run(main)

    def test_locks(self, run):
        """Locks and semaphores are named by what is acquired, through `async with` as well."""

        async def enter(lock):
            async with lock:
                pass

        async def main():
            lock, semaphore = asyncio.Lock(), asyncio.Semaphore(1)
            await lock.acquire()
            await semaphore.acquire()
            assert await reason(lock.acquire()) == "lock.acquire"
            assert await reason(enter(lock)) == "lock.acquire"
            assert await reason(semaphore.acquire()) == "semaphore.acquire"
            assert await reason(enter(semaphore)) == "semaphore.acquire"
            assert await reason(enter(asyncio.BoundedSemaphore(0))) == "semaphore.acquire"

        run(main)

    def test_event_and_condition(self, run):
        """Events and conditions are `event.wait` and `condition.wait`; entering a condition is `lock.acquire`."""

        async def wait_on(condition, predicate=None):
            async with condition:
                await (condition.wait_for(predicate) if predicate else condition.wait())

        async def main():
            assert await reason(asyncio.Event().wait()) == "event.wait"
            condition = asyncio.Condition()
            assert await reason(wait_on(condition)) == "condition.wait"
            assert await reason(wait_on(condition, lambda: False)) == "condition.wait"
            async with condition:
                assert await reason(wait_on(condition)) == "lock.acquire"

        run(main)

    @needs_3_11
    def test_barrier_is_not_its_condition(self, run):
        """The outermost known library frame names the wait: a barrier, not the condition inside it."""

        async def main():
            assert await reason(asyncio.Barrier(2).wait()) == "barrier.wait"

        run(main)

    @pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue])
    def test_queues(self, run, kind):
        """get, put and join of every queue; join is not the event inside it."""

        async def main():
            full = kind(1)
            await full.put(1)
            assert await reason(kind().get()) == "queue.get"
            assert await reason(full.put(2)) == "queue.put"
            assert await reason(full.join()) == "queue.join"

        run(main)

    def test_wait_for_has_the_reason_of_its_inner_wait(self, run):
        """wait_for is transparent on all versions, whether it makes a task (≤ 3.11) or not."""

        async def inside():
            await asyncio.Event().wait()

        async def main():
            assert await reason(asyncio.wait_for(asyncio.Queue().get(), 3600)) == "queue.get"
            assert await reason(asyncio.wait_for(inside(), 3600)) == "event.wait"
            assert await reason(asyncio.wait_for(future(), 3600)) == "future"
            assert await reason(asyncio.wait_for(asyncio.gather(future()), 3600)) == "gather"
            async with suspended(inside()) as watched:
                watched.add_done_callback(lambda task: None)
                waiting = asyncio.create_task(application(asyncio.wait_for(asyncio.shield(watched), 3600)))
                for _ in range(3):
                    await asyncio.sleep(0)
                assert reason_of(waiting) == "task"
                waiting.cancel()
                await asyncio.wait([waiting])

        run(main)

    @needs_3_11
    def test_timeout_is_transparent(self, run):
        """`async with asyncio.timeout` leaves no frame; what is inside it counts."""

        async def bounded():
            async with asyncio.timeout(3600):
                await asyncio.Queue().get()

        async def main():
            assert await reason(bounded()) == "queue.get"

        run(main)

    def test_wait_and_as_completed(self, run):
        """asyncio.wait and as_completed are `wait`, not the queue or future inside."""

        async def first(*awaitables):
            for each in asyncio.as_completed(awaitables):
                await each

        async def main():
            assert await reason(asyncio.wait([future(), future()])) == "wait"
            assert await reason(first(future(), future())) == "wait"

        run(main)

    @needs_3_11
    def test_task_group(self, run):
        """Leaving a task group waits for its children: `task_group`."""

        async def grouped():
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.Event().wait())

        async def main():
            assert await reason(grouped()) == "task_group"

        run(main)

    def test_wrapped_by_the_upstream_instrumentation(self, run):
        """Functions that an instrumentation replaced are recognised by the code they still run."""

        async def main():
            AsyncioInstrumentor().instrument()
            try:
                assert await reason(asyncio.wait([future()])) == "wait"
                assert await reason(asyncio.wait_for(asyncio.Queue().get(), 3600)) == "queue.get"
            finally:
                AsyncioInstrumentor().uninstrument()

        run(main)


class TestByAwaitedObject:
    """Waits that are named by the type of what is awaited."""

    def test_future_task_and_gather(self, run):
        """A plain future, a task and a gather are themselves."""

        async def main():
            assert await reason(future()) == "future"
            assert await reason(asyncio.futures._PyFuture(loop=asyncio.get_running_loop())) == "future"
            async with suspended(application(future())) as inner:
                assert await reason(inner) == "task"
            assert await reason(asyncio.gather(future(), future())) == "gather"

        run(main)

    def test_shield_has_the_reason_of_its_inner_future(self, run):
        """shield's outer future is named after the inner one."""

        async def main():
            async with suspended(application(future())) as inner:
                assert await reason(asyncio.shield(inner)) == "task"
                assert await reason(asyncio.shield(asyncio.shield(inner))) == "task"
            assert await reason(asyncio.shield(future())) == "future"

        run(main)

    def test_executor(self, run):
        """run_in_executor and to_thread are `executor`; so is a wrapped concurrent future."""

        async def main():
            release = threading.Event()
            loop = asyncio.get_running_loop()
            assert await reason(loop.run_in_executor(None, release.wait)) == "executor"
            assert await reason(asyncio.to_thread(release.wait)) == "executor"
            assert await reason(asyncio.wrap_future(concurrent.futures.Future())) == "executor"
            release.set()

        run(main)

    def test_await_method_that_yields_a_future_itself(self, run):
        """Where the chain ends in a foreign iterator, the task's own waiter decides."""

        class Awaitable:
            def __await__(self):
                return iter([inner])

        async def main():
            nonlocal inner
            inner = future()
            inner._asyncio_future_blocking = True
            assert await reason(Awaitable()) == "future"

        inner = None
        run(main)


class TestStates:
    def test_running(self, run):
        """The task that runs is `running`."""

        async def main():
            assert reason_of(asyncio.current_task()) == "running"

        run(main)

    def test_runnable(self, run):
        """Not started, between two bare yields, or with a waiter that is done: `runnable`."""

        async def spin():
            while True:
                await asyncio.sleep(0)

        async def main():
            fresh = asyncio.create_task(application(asyncio.sleep(0)))
            assert reason_of(fresh) == "runnable"
            await fresh
            assert await reason(spin()) == "runnable"
            inner = future()
            async with suspended(application(inner)) as task:
                inner.set_result(None)
                assert reason_of(task) == "runnable"

        run(main)

    def test_done_task(self, run):
        """A task that ended waits for nothing that has a name."""

        async def main():
            task = asyncio.create_task(asyncio.sleep(0))
            await task
            assert reason_of(task) == "unknown"

        run(main)

    def test_async_generator_that_awaits_something_unknown(self):
        """Innermost an async generator that awaits a foreign iterator: `async_generator`; a coroutine: `unknown`."""

        class Foreign:
            def __await__(self):
                return self

            def __next__(self):
                return None

        async def generator():
            yield await Foreign()

        async def consume():
            async for _ in generator():
                pass

        def scan(coro):
            coro.send(None)
            found = wait_reason(None, walk_await_chain(coro))
            coro.close()
            return found

        assert scan(consume()) == "async_generator"
        assert scan(application(Foreign())) == "unknown"

    def test_async_generator_that_awaits_something_known(self, run):
        """What is awaited inside an async generator counts, however deep."""

        async def generator(queue_):
            while True:
                yield await queue_.get()

        async def consume(queue_):
            async for _ in generator(queue_):
                pass

        async def main():
            assert await reason(consume(asyncio.Queue())) == "queue.get"

        run(main)

    @pytest.mark.parametrize("task", [None, 7, object()])
    def test_nonsense(self, task):
        """Whatever is given, one word of the closed list comes back."""
        frame = Frame(application.__code__, 1, "", 0)
        chains = [
            AwaitChain((), None, False, False, None),
            AwaitChain((frame,), object(), False, False, None),
            AwaitChain((frame,), None, False, True, "cut"),
            AwaitChain((frame,), None, True, False, None),
            types.SimpleNamespace(),
        ]
        assert [wait_reason(task, chain) for chain in chains] == ["unknown", "unknown", "unknown", "running", "unknown"]
        assert thread_wait_reason(task) in WAIT_REASONS


@pytest.mark.parametrize("table", [TASK_WAITS, PLAIN_FUTURE_WAITS, THREAD_WAITS, INNERMOST_THREAD_WAITS])
def test_tables_give_words_of_the_closed_list(table):
    """No table can bring a reason into a report that the contract does not have."""
    assert {reason for names in table.values() for reason in names.values()} <= WAIT_REASONS
