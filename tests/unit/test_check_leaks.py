"""A block that leaves tasks or threads behind fails with what, where from and why; a clean one returns at once."""

import asyncio
import gc
import inspect
import logging
import threading
import time
import unittest
import warnings

import pytest
from leaking import kept, stuck

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, LeakError, check_leaks, long_lived
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

    def test_what_a_runner_cancels(self, held):
        """What outlives main is a leak, although ``asyncio.run`` cancels it."""

        async def main():
            held.leak_task()

        with pytest.raises(LeakError) as raised, check_leaks():
            asyncio.run(main())
        (leak,) = raised.value.leaks
        assert leak.ending == "cancelled"
        assert leak.stack[0].function == "leaking.stuck"

    def test_what_a_runner_cancels_can_be_left_out(self, held):
        """With the switch it is none."""

        async def main():
            held.leak_task()

        with check_leaks(runner_cancelled=False):
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
        assert (leak.ending, leak.verdict) == ("destroyed", "destroyed")
        assert leak.stack[0].function == "leaking.stuck"
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
        with ThreadPoolExecutor(2) as pool:
            with check_leaks(0):
                pool.submit(int).result()
            with pytest.raises(LeakError) as raised, check_leaks(0):
                pool.submit(released.wait)
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
        with pytest.raises(LeakError, match="ended by stop_waiting") as raised:
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
        assert issubclass(LeakWarning, ResourceWarning)

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


class TestDecorator:
    """Each call is a check of its own."""

    def test_it_keeps_what_the_function_is(self):
        """Name, signature and result, of functions and coroutine functions."""

        @check_leaks()
        async def query(text: str, limit: int = 3) -> str:
            """Ask."""
            return text * limit

        @check_leaks()
        def plain(*, flag: bool) -> bool:
            return not flag

        assert asyncio.run(query("a")) == "aaa"
        assert plain(flag=True) is False
        assert (query.__name__, query.__doc__) == ("query", "Ask.")
        assert str(inspect.signature(query)) == "(text: str, limit: int = 3) -> str"
        assert inspect.iscoroutinefunction(query)

    def test_concurrent_calls_do_not_share_anything(self, held):
        """A leaking call fails, the clean one beside it passes."""

        @check_leaks(SHORT)
        async def call(leaks):
            await asyncio.sleep(0)
            if leaks:
                held.leak_task()
            await asyncio.sleep(0)
            return leaks

        async def main():
            return await asyncio.gather(*(call(leaks) for leaks in (True, False, True)), return_exceptions=True)

        first, second, third = asyncio.run(main())
        assert [type(first), second, type(third)] == [LeakError, False, LeakError]
        assert len(first.leaks) == len(third.leaks) == 1

    def test_wrong_use_says_so(self):
        """At once, and with what to write."""

        async def generate():
            yield 1

        for wrong, text in (
            (lambda: check_leaks(generate), "with parentheses"),
            (lambda: check_leaks("5"), "expected seconds"),
            (lambda: check_leaks(-1), "at least 0"),
            (lambda: check_leaks(action="shout"), "expected one of raise, warn, log, cancel"),
            (lambda: check_leaks(tasks=False, threads=False), "nothing to check"),
            (lambda: check_leaks(stop_waiting=3), "expected an event"),
            (lambda: check_leaks()(generate), "generator"),
            (lambda: check_leaks()(int), "decorates functions"),
            (lambda: check_leaks(ignore="name"), "write ignore_name"),
        ):
            with pytest.raises((TypeError, ValueError), match=text):
                wrong()
        check = check_leaks()
        with check, pytest.raises(RuntimeError, match="running already"), check:
            pass


class TestHarmlessness:
    """What a check leaves of itself: nothing."""

    def test_hooks_come_out_with_the_last_check(self):
        """Nested and repeated."""
        before = asyncio.BaseEventLoop.create_task, threading.Thread.start, asyncio.runners._cancel_all_tasks
        for _ in range(3):
            with check_leaks():
                with check_leaks():
                    assert asyncio.BaseEventLoop.create_task is not before[0]
                assert asyncio.BaseEventLoop.create_task is not before[0]
            now = asyncio.BaseEventLoop.create_task, threading.Thread.start, asyncio.runners._cancel_all_tasks
            assert now == before

    def test_an_instrumented_process_is_left_alone(self, held):
        """Its counts, its hooks and its sampling stay, also where it is taken out in the middle of a check."""
        from opentelemetry.instrumentation.concurrency import live_counts

        instrumentor = ConcurrencyInstrumentor()
        instrumentor.instrument(metrics="none", reports="none")
        try:
            recorded = asyncio.BaseEventLoop.create_task
            with pytest.raises(LeakError), check_leaks(0):
                held.leak_thread()
            assert asyncio.BaseEventLoop.create_task is recorded
            assert live_counts().threads >= 2
            with pytest.raises(LeakError), check_leaks(0):
                instrumentor.uninstrument()
                held.leak_thread()
        finally:
            instrumentor.uninstrument()

    def test_the_loop_is_not_put_into_debug_mode(self):
        """Neither during nor after."""

        async def main():
            async with check_leaks():
                assert not asyncio.get_running_loop().get_debug()
            assert not asyncio.get_running_loop().get_debug()

        asyncio.run(main())

    def test_nothing_is_held_alive(self, held):
        """The error keeps values alone."""
        import weakref

        async def main():
            with pytest.raises(LeakError) as raised:
                async with check_leaks(0):
                    held.leak_task()
            reference = weakref.ref(held.tasks.pop())
            reference().cancel()
            for _ in range(3):
                await asyncio.sleep(0)
            gc.collect()
            assert reference() is None
            return raised.value

        assert asyncio.run(main()).leaks

    def test_an_error_can_be_pickled(self, held):
        """For runners that send it between processes."""
        import pickle

        with pytest.raises(LeakError) as raised, check_leaks(0):
            held.leak_thread()
        again = pickle.loads(pickle.dumps(raised.value))
        assert (str(again), again.leaks) == (str(raised.value), raised.value.leaks)

    def test_a_clean_block_does_not_sleep(self, monkeypatch):
        """Neither in a thread nor in a loop."""

        def refuse(*_):
            raise AssertionError("slept")

        from opentelemetry.instrumentation.concurrency.testing import settling

        monkeypatch.setattr(settling, "sleep", refuse)
        monkeypatch.setattr(settling, "sleep_in_loop", refuse)
        monkeypatch.setattr(time, "sleep", refuse)
        with check_leaks(), warnings.catch_warnings():
            pass

        async def main():
            async with check_leaks():
                pass

        asyncio.run(main())
