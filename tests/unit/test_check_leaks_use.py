"""``check_leaks`` as decorator, and what it leaves of itself: nothing."""

import asyncio
import gc
import inspect
import subprocess
import sys
import threading
import time
import warnings

import pytest
from leaking import kept

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, LeakError, check_leaks

SHORT = 0.05


@pytest.fixture
def held():
    with kept() as found:
        yield found


class TestDecorator:
    """Each call is a check of its own."""

    def test_decorator_keeps_the_kind_of_function(self):
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
        with check, pytest.raises(RuntimeError, match="already running"), check:
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


SCRIPT = """
import threading, sys
from opentelemetry.instrumentation.concurrency import check_leaks

def leak():
    threading.Thread(target=threading.Event().wait, daemon=True).start()

@check_leaks(0, action="warn")
def decorated():
    leak()

decorated()
with check_leaks(0, action="warn"):
    leak()
"""


def test_warning_of_a_plain_script_shows_the_users_lines(tmp_path):
    """The decorated function and the block; Python shows it without any option."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    shown = [line for line in done.stderr.splitlines() if "LeakWarning" in line]
    assert [line.partition(": LeakWarning: 1 thread left behind")[0] for line in shown] == [
        f"{script}:8",
        f"{script}:13",
    ]


def test_daemon_threads_are_left_out_on_request():
    released = threading.Event()
    try:
        with check_leaks(0, daemons=False):
            threading.Thread(target=released.wait, daemon=True).start()
        with pytest.raises(LeakError), check_leaks(0, daemons=False):
            threading.Thread(target=released.wait, daemon=False).start()
    finally:
        released.set()


@pytest.mark.parametrize("function", [check_leaks, check_leaks.begin])
def test_signature_is_short_and_has_no_address(function):
    """As `help()` and editors show it."""
    shown = str(inspect.signature(function))
    assert " at 0x" not in shown and len(shown) < 700
