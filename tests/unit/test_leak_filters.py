"""Filters leave out exactly what they name, and refuse what could never match."""

import asyncio
import re
import threading

import pytest
from leaking import kept

from opentelemetry.instrumentation.concurrency import LeakError, check_leaks
from opentelemetry.instrumentation.concurrency.testing import (
    Rule,
    ignore_creator,
    ignore_current,
    ignore_function,
    ignore_name,
    ignore_top,
)


@pytest.fixture
def held():
    with kept() as found:
        yield found


def left(held, *filters, threads=False, **options):
    """Return the names of what a check with ``filters`` reports of one leaked task and, if asked for, one thread."""

    async def main():
        async with check_leaks(0, ignore=filters, **options):
            held.leak_task("poller-1")
            if threads:
                held.leak_thread("worker-1")
            await asyncio.sleep(0)

    try:
        asyncio.run(main())
    except LeakError as error:
        return [leak.name for leak in error.leaks]
    return []


class TestPatterns:
    """Exact names, prefixes and globs, each by what it is compared with."""

    @pytest.mark.parametrize(
        "rule",
        [
            ignore_creator("leaking.Kept.leak_task"),
            ignore_creator("leaking.Kept..."),
            ignore_creator("*.leak_task"),
            ignore_creator("*/tests/leaking.py"),
            ignore_creator("*.left.<locals>.main", "*.left.main"),
            ignore_function("leaking.stuck"),
            ignore_function("asyncio.locks..."),
            ignore_top("asyncio.locks.Event.wait"),
            ignore_top("leaking.stuck"),
            ignore_name("poller-1"),
            ignore_name("poller..."),
            ignore_name("poller-?"),
            ignore_name(re.compile(r"poller-\d+")),
            Rule("mine", lambda leak: leak.wait_reason == "event.wait", "a reason"),
            pytest.param(lambda leak: leak.kind == "task", id="function"),
        ],
        ids=repr,
    )
    def test_those_that_match(self, held, rule):
        """The leak is left out, another is not."""
        assert left(held, rule) == []

    @pytest.mark.parametrize(
        "rule",
        [
            ignore_creator("leaking.Kept"),
            ignore_creator("leaking.stuck"),
            ignore_function("leaking.Kept.leak_task"),
            ignore_top("leaking.Kept..."),
            ignore_name("poller"),
            ignore_name(re.compile("poller")),
            ignore_name("worker-1"),
        ],
        ids=repr,
    )
    def test_those_that_do_not(self, held, rule):
        """An exact name is no prefix; a creator is not what runs; what waits inside is not the top."""
        assert left(held, rule) == ["poller-1"]

    def test_only_what_is_named(self, held):
        """The other leak is still reported."""
        assert left(held, ignore_name("poller..."), threads=True) == ["worker-1"]
        held.release()

    @pytest.mark.parametrize(
        ("make", "error", "text"),
        [
            (lambda: ignore_creator("leak_task"), ValueError, r"never match.*'\*\.leak_task'"),
            (lambda: ignore_function(), ValueError, "at least one pattern"),
            (lambda: ignore_top(3), TypeError, "patterns as strings"),
            (lambda: ignore_name("..."), ValueError, "empty pattern"),
            (lambda: ignore_function(re.compile("a")), TypeError, "patterns as strings"),
            (lambda: check_leaks(ignore=ignore_current), TypeError, r"call it, as in ignore_current\(\)"),
            (lambda: check_leaks(ignore=ignore_name), TypeError, "call it, as in"),
            (lambda: check_leaks(ignore=[3]), TypeError, "expected a rule or a function"),
            (lambda: check_leaks(ignore=["name"]), TypeError, "write ignore_name"),
        ],
    )
    def test_wrong_use(self, make, error, text):
        """A filter that could never match is refused where it is written."""
        with pytest.raises(error, match=text):
            make()

    def test_a_filter_that_raises(self, held):
        """It is named, with the leak it was asked about."""

        def broken(leak):
            raise KeyError("no")

        with pytest.raises(RuntimeError, match=r"the filter .*broken.* raised KeyError on: task 'poller-1'"):
            left(held, broken)


class TestCurrent:
    """What exists at the moment of the call, by serial number."""

    def test_after_a_warm_up(self, held):
        """What the warm-up left is no leak, what comes later is."""

        async def main():
            async with check_leaks(0) as check:
                held.leak_task("warm-up")
                check.ignore(ignore_current())
                held.leak_task("later")

        with pytest.raises(LeakError) as raised:
            asyncio.run(main())
        assert [leak.name for leak in raised.value.leaks] == ["later"]

    def test_a_reused_address(self, held):
        """A new thread at the address of one that ended is another one."""
        for _ in range(20):
            thread = threading.Thread(target=int)
            thread.start()
            rule = ignore_current()
            thread.join()
            del thread
            with pytest.raises(LeakError), check_leaks(0, ignore=rule):
                held.leak_thread()
        held.release()
