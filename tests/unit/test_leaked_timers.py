"""Timers that a check's block leaves scheduled, and those that are not the application's own."""

import asyncio
import functools
from datetime import date

import pytest

from opentelemetry.instrumentation.concurrency import LeakError, check_leaks, long_lived
from opentelemetry.instrumentation.concurrency.testing import (
    Baseline,
    KnownLeak,
    ignore_creator,
    ignore_current,
    ignore_function,
)
from opentelemetry.instrumentation.concurrency.testing.known_rules import KnownRule
from opentelemetry.instrumentation.concurrency.testing.noted import OPTIONAL_KINDS
from opentelemetry.instrumentation.concurrency.testing.optional_kinds import optional_kinds
from opentelemetry.instrumentation.concurrency.testing.timers import is_scheduled

SHORT = 0.05
FAR = 60.0
ME = __name__
LIBRARY = "/srv/venv/lib/python3/site-packages/client/timers.py"
LIBRARY_CODE = "def schedule(loop, callback):\n    return loop.call_later(60, callback)\n"


def expire():
    """Run as a callback."""


def later(delay, callback):
    return asyncio.get_running_loop().call_later(delay, callback)


def in_library(code, name):
    """Return a function whose code lies in a folder of libraries."""
    namespace = {"__name__": "client.timers"}
    exec(compile(code, LIBRARY, "exec"), namespace)
    return namespace[name]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Give ``asyncio.run`` or the same on uvloop."""
    if request.param == "asyncio":
        return asyncio.run
    uvloop = pytest.importorskip("uvloop")
    return uvloop.run


def leaks_of(run, main, **options):
    """Return what ``main`` leaves in its loop."""
    found = []

    async def checked():
        try:
            async with check_leaks(**{"timeout": SHORT, "timers": True, **options}):
                await main()
        except LeakError as error:
            found.append(error)

    run(checked())
    return found[0].leaks if found else ()


class TestLeft:
    """Reported with the line, the callback and the time until it is due."""

    def test_scheduled_timer_is_reported(self, run):
        async def main():
            asyncio.get_running_loop().call_later(FAR, expire)

        (leak,) = leaks_of(run, main)
        assert (leak.kind, leak.ending, leak.runs, leak.serial > 0) == ("timer", "alive", f"{ME}.expire", True)
        assert leak.site.function == f"{ME}.TestLeft.test_scheduled_timer_is_reported.main"
        assert FAR - 5 < leak.due_in_s <= FAR
        assert leak.headline.startswith(f"timer ({ME}.expire) created by {leak.site.function} (")
        assert "handle.cancel()" in leak.advice

    def test_report_names_line_and_due_time(self, run):
        async def main():
            loop = asyncio.get_running_loop()
            loop.call_at(loop.time() + FAR, functools.partial(expire))

        with pytest.raises(LeakError) as raised, check_leaks(SHORT, timers=True, label="the block"):
            run(main())
        text = str(raised.value)
        assert text.startswith(f"1 timer left behind, created by {ME}.TestLeft.test_report_names")
        assert f"* timer running {ME}.expire\n  still scheduled when its loop was closed; due in: " in text
        assert "loop.call_at(loop.time() + FAR" in text
        assert text.endswith("call handle.cancel() on every path.")

    def test_timer_of_helper_names_its_caller(self, run):
        async def main():
            later(FAR, expire)

        (leak,) = leaks_of(run, main)
        assert leak.site.function.endswith("test_timer_of_helper_names_its_caller.main")
        assert [line.function for line in leak.site.via] == [f"{ME}.later"]

    def test_timer_that_reschedules_itself_is_reported(self, run):
        async def main():
            later(0.01, tick)

        def tick():
            later(0.01, tick)

        (leak,) = leaks_of(run, main)
        assert leak.runs.endswith(".tick")

    def test_timer_whose_time_has_come_is_scheduled_until_it_runs(self):
        """On a busy machine, one that reschedules itself may be found there at the end of a check."""
        found = []

        async def main():
            loop = asyncio.get_running_loop()
            # Both are due in the same turn, and the first sees the second among the ready callbacks.
            first = loop.call_later(0, lambda: found.append((is_scheduled(first), is_scheduled(second))))
            second = loop.call_later(0, expire)
            await asyncio.sleep(0.01)
            found.append((is_scheduled(first), is_scheduled(second)))

        asyncio.run(main())
        assert found == [(False, True), (False, False)]

    def test_builtin_callback_of_own_line_is_reported(self, run):
        """A cache that drops an entry with ``dict.pop``: the line is the application's."""

        async def main():
            asyncio.get_running_loop().call_later(FAR, {}.pop, "key", None)

        (leak,) = leaks_of(run, main)
        assert leak.runs.endswith("pop")

    def test_tasks_and_timers_are_counted_apart(self, run):
        kept = []

        async def main():
            later(FAR, expire)
            later(FAR, print)
            kept.append(asyncio.ensure_future(asyncio.sleep(FAR)))

        with pytest.raises(LeakError, match=r"^1 task and 2 timers left behind"), check_leaks(0, timers=True):
            run(main())

    def test_warning_points_to_the_block(self, run):
        async def main():
            later(FAR, expire)

        with pytest.warns(UserWarning, match="1 timer left behind"), check_leaks(0, timers=True, action="warn"):
            run(main())

    def test_action_cancel_cancels_the_timer(self, run):
        handles = []

        async def main():
            async with check_leaks(0, timers=True, action="cancel"):
                handles.append(later(FAR, expire))
            await asyncio.sleep(0)

        run(main())
        assert handles[0].cancelled()

    def test_inner_check_reports_it_alone(self, run):
        async def main():
            with pytest.raises(LeakError):
                async with check_leaks(0, timers=True):
                    later(FAR, expire)

        assert leaks_of(run, main) == ()

    def test_loop_with_own_clock_has_no_due_time(self):
        class SlowClock(asyncio.SelectorEventLoop):
            def time(self):
                return super().time() / 2

        loop = SlowClock()
        with pytest.raises(LeakError) as raised, check_leaks(0, timers=True):
            loop.call_later(FAR, expire)
        loop.close()
        assert raised.value.leaks[0].due_in_s is None


class TestNotLeft:
    """Timers that are off, ended, or not the application's own."""

    def test_timers_are_not_checked_by_default(self, run):
        async def main():
            later(FAR, expire)

        assert leaks_of(run, main, timers=False) == ()

    def test_cancelled_timer_is_no_leak(self, run):
        async def main():
            later(FAR, expire).cancel()

        assert leaks_of(run, main) == ()

    def test_timer_that_fires_meanwhile_is_no_leak(self, run):
        async def main():
            later(0.01, expire)

        assert leaks_of(run, main, timeout=5) == ()

    def test_timers_of_asyncio_are_no_leaks(self, run):
        async def main():
            loop = asyncio.get_running_loop()
            sleeping = loop.create_task(asyncio.sleep(FAR))
            waiting = loop.create_task(asyncio.wait_for(asyncio.sleep(FAR), FAR))
            await asyncio.sleep(0)
            assert leaks_now() == []
            sleeping.cancel()
            waiting.cancel()

        def leaks_now():
            found = [optional_kinds().leftovers(scope) for scope in list(optional_kinds()._open)]
            return [one for each in found for one in each]

        assert leaks_of(run, main) == ()

    def test_timer_of_library_is_no_leak(self, run):
        """Also with a callback of the application: the library keeps the handle."""
        schedule = in_library(LIBRARY_CODE, "schedule")

        async def main():
            schedule(asyncio.get_running_loop(), expire)

        assert leaks_of(run, main) == ()

    def test_watchdog_of_finished_task_is_no_leak(self, run):
        async def main():
            task = asyncio.ensure_future(asyncio.sleep(0))
            future = asyncio.get_running_loop().create_future()
            later(FAR, task.cancel)
            asyncio.get_running_loop().call_later(FAR, future.set_result, None)
            await task
            future.set_result(1)

        assert leaks_of(run, main) == ()

    def test_timer_cancelled_with_its_task_is_no_leak(self, run):
        """The runner cancels the task, whose ``finally`` cancels the timer."""
        kept = []

        async def poll():
            handle = later(FAR, expire)
            try:
                await asyncio.Event().wait()
            finally:
                handle.cancel()

        async def main():
            kept.append(asyncio.ensure_future(poll()))
            await asyncio.sleep(0)

        with check_leaks(0, tasks=False, timers=True):
            run(main())

    def test_interrupted_loop_has_no_leaks(self, run):
        async def main():
            later(FAR, expire)
            raise SystemExit

        with pytest.raises(SystemExit), check_leaks(0, timers=True):
            run(main())

    def test_timer_of_concurrent_check_is_no_leak(self, run):
        """Two checks in one loop are distinguished by their context."""

        async def leaking(begun, done):
            with pytest.raises(LeakError):
                async with check_leaks(0, timers=True):
                    begun.set()
                    later(FAR, expire)
                    await done.wait()

        async def main():
            begun, done = asyncio.Event(), asyncio.Event()
            other = asyncio.create_task(leaking(begun, done))
            await begun.wait()
            async with check_leaks(0, timers=True):
                await asyncio.sleep(0)
            done.set()
            await other

        run(main())

    @pytest.mark.parametrize("option", ["function", "creator", "baseline", "known"])
    def test_filters_and_baseline_apply(self, run, option):
        async def main():
            later(FAR, expire)

        site = f"{ME}.{main.__qualname__.replace('<locals>.', '')}"
        options = {
            "function": {"ignore": ignore_function(f"{ME}.expire")},
            "creator": {"ignore": ignore_creator(f"{ME}.later")},
            "baseline": {"baseline": Baseline([KnownLeak("timer", site, "SHOP-12", date.max)])},
            "known": {"known": [KnownRule("expiry", "it is ours", lambda one, _: one.site.runs.endswith("expire"))]},
        }
        assert leaks_of(run, main, **options[option]) == ()

    def test_declared_callback_is_no_leak(self, run):
        @long_lived("expires entries")
        def declared():
            """Run as a callback."""

        async def main():
            later(FAR, declared)

        assert leaks_of(run, main) == ()

    def test_ignore_current_covers_existing_timers(self, run):
        async def main():
            async with check_leaks(0, timers=True) as check:
                later(FAR, expire)
                check.ignore(ignore_current())

        run(main())


class TestHooks:
    """They are transparent, and installed only while a check wants timers."""

    def test_hooks_are_removed_with_the_check(self):
        before = asyncio.BaseEventLoop.call_at, asyncio.BaseEventLoop.close
        with check_leaks():
            assert (asyncio.BaseEventLoop.call_at, asyncio.BaseEventLoop.close) == before
        with check_leaks(timers=True):
            assert asyncio.BaseEventLoop.call_at is not before[0]
        assert (asyncio.BaseEventLoop.call_at, asyncio.BaseEventLoop.close) == before

    def test_debug_mode_shows_no_frame_of_the_hook(self):
        async def main():
            handle = later(FAR, expire)
            by_time = asyncio.get_running_loop().call_at(1e9, callback=expire)
            return [each._source_traceback[-1].name for each in (handle, by_time)]

        with check_leaks(0, timers=True, ignore=ignore_function(f"{ME}.expire")):
            assert asyncio.run(main(), debug=True) == ["later", "main"]

    def test_callback_of_hostile_object_is_not_called(self, run):
        """Neither its text, nor its comparison, nor its attributes."""
        called = []

        class Hostile:
            def __call__(self):
                """Do nothing."""

            def __getattribute__(self, name):
                called.append(name)
                return object.__getattribute__(self, name)

            def __eq__(self, other):
                called.append("__eq__")
                return False

            def __repr__(self):
                called.append("__repr__")
                return "hostile"

            __hash__ = None

        callback = Hostile()

        async def main():
            asyncio.get_running_loop().call_later(FAR, callback)

        (leak,) = leaks_of(run, main)
        assert str(leak.headline) and called == []

    def test_running_loop_that_cannot_close_keeps_its_timers(self, run):
        async def main():
            handle = later(FAR, expire)
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop().close()
            handle.cancel()

        assert leaks_of(run, main) == ()

    def test_check_of_timers_alone_is_possible(self):
        with check_leaks(tasks=False, threads=False, timers=True):
            pass
        with pytest.raises(ValueError, match="nothing to check"):
            check_leaks(tasks=False, threads=False)

    def test_many_short_timers_leave_no_notes(self, run):
        async def main():
            for _ in range(3000):
                later(FAR, expire).cancel()
            assert len(optional_kinds()._notes["timer"]._by_address) < 1000

        assert leaks_of(run, main) == ()
        assert OPTIONAL_KINDS == ("timer", "session")
