"""A block that leaves tasks or threads behind fails with what, where from and why; a clean one returns at once."""

import asyncio
import gc
import logging
import threading
import unittest

import pytest
from leaking import kept, stuck

from opentelemetry.instrumentation.concurrency import LeakError, check_leaks, long_lived
from opentelemetry.instrumentation.concurrency.testing import LeakWarning

SHORT = 0.05


@pytest.fixture
def held():
    with kept() as found:
        yield found


class TestWhatIsLeft:
    """What is reported, and what is not."""

    def test_nothing(self):
        """A clean block passes."""
        with check_leaks() as check:
            threading.Thread(target=int).start()
            asyncio.run(asyncio.sleep(0))
        assert check.leaks == ()

    def test_a_task_of_the_block(self, held):
        """A task that is left is reported with its line, both whole stacks and its wait reason."""

        async def start():
            held.leak_task("left")

        async def main():
            async with check_leaks(SHORT, label="the block"):
                await start()

        with pytest.raises(LeakError) as raised:
            asyncio.run(main())
        (leak,) = raised.value.leaks
        assert (leak.kind, leak.name, leak.wait_reason, leak.ending) == ("task", "left", "event.wait", "alive")
        assert leak.site.function == "leaking.Kept.leak_task"
        functions = [frame.function.rpartition(".")[2] for frame in leak.creation_stack]
        assert functions == ["main", "start", "leak_task"]
        assert [frame.function for frame in leak.stack] == ["leaking.stuck", "asyncio.locks.Event.wait"]
        assert (leak.verdict, leak.serial > 0) == (leak.verdict, True)
        text = str(raised.value)
        assert "1 task left behind, created by leaking.Kept.leak_task" in text
        assert "in the block" in text
        assert "await start()" in text
        assert "wait reason: event.wait" in text

    def test_each_leak_has_its_own_creation_stack(self, held):
        """Two leaks of one line keep the two ways that led there."""

        async def first():
            held.leak_task()

        async def second():
            held.leak_task()

        async def main():
            async with check_leaks(0):
                await first()
                await second()

        with pytest.raises(LeakError) as raised:
            asyncio.run(main())
        ways = [leak.creation_stack[-2].function.rpartition(".")[2] for leak in raised.value.leaks]
        assert ways == ["first", "second"]

    def test_a_thread_of_the_block(self, held):
        """A thread that is left is reported with its present stack and where it was started."""
        with pytest.raises(LeakError) as raised, check_leaks(SHORT):
            held.leak_thread("left")
        (leak,) = raised.value.leaks
        assert (leak.kind, leak.name, leak.wait_reason) == ("thread", "left", "event.wait")
        assert leak.created_by == "thread 'MainThread'"
        assert leak.creation_stack[-1].function == "leaking.Kept.leak_thread"
        assert leak.stack[-1].function.startswith("threading.")

    def test_what_was_there_before(self, held):
        """What the block did not create is none of its leaks."""
        held.leak_thread()
        with check_leaks(0):
            pass

    def test_a_task_that_ends_soon(self):
        """A short task is given its time: no fixed grace, and the loop runs on."""
        ended = []

        async def short():
            await asyncio.sleep(0.02)
            ended.append(True)

        async def main():
            async with check_leaks():
                held = asyncio.create_task(short())  # noqa: F841

        asyncio.run(main())
        assert ended == [True]

    def test_a_thread_that_ends_soon(self):
        """So is a thread."""
        with check_leaks():
            threading.Thread(target=threading.Event().wait, args=(0.02,)).start()

    def test_task_cancelled_by_the_runner_is_a_leak(self, held):
        """What outlives main is a leak, although ``asyncio.run`` cancels it."""

        async def main():
            held.leak_task()

        with pytest.raises(LeakError) as raised, check_leaks():
            asyncio.run(main())
        (leak,) = raised.value.leaks
        assert leak.ending == "cancelled"
        assert leak.stack[0].function == "leaking.stuck"

    def test_task_cancelled_by_the_runner_can_be_ignored(self, held):
        """With the switch it is none."""

        async def main():
            held.leak_task()

        with check_leaks(runner_cancelled=False):
            asyncio.run(main())

    def test_a_loop_that_was_broken_off(self, held):
        """An exit or interrupt in the loop leaves its main task undone, which is no leak."""

        async def exits():
            raise SystemExit(5)

        async def main():
            held.leak_task()
            await asyncio.create_task(exits())

        with pytest.raises(SystemExit), check_leaks():
            asyncio.run(main())

    def test_a_task_destroyed_while_pending(self, caplog):
        """A task that nothing holds is a leak whether or not the collector came first."""

        async def main():
            asyncio.create_task(stuck())
            await asyncio.sleep(0)
            gc.collect()

        with pytest.raises(LeakError) as raised, check_leaks(0):
            asyncio.run(main())
        (leak,) = raised.value.leaks
        assert (leak.ending, leak.verdict, leak.coroutine) == ("destroyed", "destroyed", "stuck")
        assert leak.site.line == main.__code__.co_firstlineno + 1
        assert leak.stack or "closed its coroutine" in leak.note
        with check_leaks(0, destroyed=False):
            asyncio.run(main())

    def test_a_task_that_no_hook_saw(self, held):
        """A task made without the loop's ``create_task`` is found and belongs to the block all the same."""

        async def main():
            async with check_leaks(0):
                held.tasks.append(asyncio.Task(stuck(), loop=asyncio.get_running_loop()))

        with pytest.raises(LeakError) as raised:
            asyncio.run(main())
        assert [leak.site.function for leak in raised.value.leaks] == ["leaking.stuck"]

    def test_machinery(self):
        """Idle workers of a living executor and declared residents are none; a worker that is stuck is one."""
        from concurrent.futures import ThreadPoolExecutor

        released = threading.Event()
        with ThreadPoolExecutor(1) as idle, ThreadPoolExecutor(1) as busy:
            with check_leaks(1):
                idle.submit(int).result()
            try:
                with pytest.raises(LeakError) as raised, check_leaks(0):
                    busy.submit(released.wait)
            finally:
                released.set()
        assert raised.value.leaks[0].wait_reason == "event.wait"

        async def main():
            async with check_leaks(0):
                with long_lived("stays on purpose"):
                    kept_task = asyncio.create_task(stuck())
            kept_task.cancel()

        asyncio.run(main())

    def test_kinds_can_be_chosen(self, held):
        """Tasks alone or threads alone."""
        with check_leaks(0, threads=False):
            held.leak_thread()

        async def main():
            async with check_leaks(0, tasks=False):
                held.leak_task()

        asyncio.run(main())


class TestWaiting:
    """How long a check waits, and where."""

    def test_the_loop_runs_while_the_check_waits(self, held):
        """Other tasks go on."""
        steps = []

        async def count():
            while True:
                steps.append(len(steps))
                await asyncio.sleep(0)

        async def main():
            counter = asyncio.create_task(count())
            with pytest.raises(LeakError):
                async with check_leaks(SHORT):
                    held.leak_task()
            before = len(steps)
            counter.cancel()
            return before

        assert asyncio.run(main()) > 10

    def test_a_plain_with_in_a_loop_looks_once(self, held):
        """It may not block the loop, so it cannot wait, and says so."""

        async def main():
            with pytest.raises(LeakError, match="use 'async with'"), check_leaks(60):
                held.leak_task()

        asyncio.run(main())

    def test_the_caller_may_end_the_wait(self, held):
        """By an event, a future or a function, as with a context in Go."""
        over = threading.Event()
        over.set()
        with pytest.raises(LeakError, match="stop_waiting ended the wait") as raised:
            with check_leaks(600, stop_waiting=over):
                held.leak_thread()
        assert raised.value.ended_early
        with pytest.raises(LeakError), check_leaks(600, stop_waiting=lambda: True):
            held.leak_thread()

        async def main():
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.01, future.set_result, None)
            async with check_leaks(600, stop_waiting=future):
                held.leak_task()

        with pytest.raises(LeakError):
            asyncio.run(main())

    def test_tasks_of_a_closed_loop_are_not_waited_for(self):
        """Nothing can end them."""
        loop = asyncio.new_event_loop()
        with pytest.raises(LeakError) as raised, check_leaks(600):
            task = loop.create_task(stuck())
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
        assert raised.value.leaks[0].ending == "alive"
        task._log_destroy_pending = False


class TestTheBodysOwnException:
    """It is never masked."""

    def test_both_are_raised(self, held):
        """As a group where there are groups, else in one chain."""
        with pytest.raises(Exception) as raised, check_leaks(0):
            held.leak_thread()
            raise KeyError("body")
        if hasattr(raised.value, "exceptions"):
            body, leak = raised.value.exceptions
            assert isinstance(body, KeyError)
        else:
            assert isinstance(raised.value, KeyError)
            leak = raised.value.__context__
        assert isinstance(leak, LeakError)

    @pytest.mark.parametrize("body", [KeyboardInterrupt, SystemExit, unittest.SkipTest, pytest.skip.Exception])
    def test_interrupts_and_skips_pass(self, held, body):
        """They arrive as they are, at once."""
        with pytest.raises(body), check_leaks(600 if body is not unittest.SkipTest else 0):
            held.leak_thread()
            raise body("body")

    def test_cancellation_passes(self, held):
        """A cancelled body stays cancelled."""

        async def block():
            async with check_leaks(600):
                held.leak_task()
                await stuck()

        async def main():
            task = asyncio.create_task(block())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())

    def test_a_failing_clean_block(self):
        """Only its own exception."""
        with pytest.raises(KeyError), check_leaks():
            raise KeyError("body")


class TestActions:
    """What happens with a leak."""

    def test_warn(self, held):
        """A resource warning with the report."""
        with pytest.warns(LeakWarning, match="1 thread left behind"), check_leaks(0, action="warn"):
            held.leak_thread()
        assert not issubclass(LeakWarning, ResourceWarning)  # which Python does not show by default

    def test_log(self, held, caplog):
        """A log record."""
        with caplog.at_level(logging.WARNING), check_leaks(0, action="log") as check:
            held.leak_thread()
        assert "1 thread left behind" in caplog.text
        assert len(check.leaks) == 1

    def test_cancel(self, held, caplog):
        """The tasks are cancelled and have ended when the block is left."""

        async def main():
            async with check_leaks(SHORT, action="cancel"):
                task = held.leak_task()
            assert task.cancelled()

        asyncio.run(main())
        assert "Found and cancelled: 1 task left behind" in caplog.text
