"""When an event loop counts as ended: closed, or not run for the age limit."""

import asyncio
import gc
import sys

import pytest

from opentelemetry.instrumentation.concurrency.census.loops import LoopRegistry

AGE = 60.0


class Loop:
    """An event loop as far as the registry asks it."""

    def __init__(self):
        self.running, self.closed = False, False

    def is_running(self):
        return self.running

    def is_closed(self):
        return self.closed


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def registry(loop):
    made = LoopRegistry()
    made.meet(loop, 100.0)
    return made


def test_ended_loop_that_just_stopped_is_not(registry, loop):
    """Between two calls of `run_until_complete` a loop does not run."""
    assert registry.ended(loop, 100.0, AGE) is None
    assert registry.ended(loop, 100.0 + AGE - 1, AGE) is None


def test_ended_loop_not_run_for_the_age_limit_has_stopped(registry, loop):
    assert registry.ended(loop, 100.0 + AGE, AGE) == "its event loop has stopped"


def test_ended_counts_from_the_last_scan_that_saw_it_run(registry, loop):
    loop.running = True
    registry.scan(150.0)
    loop.running = False
    registry.scan(200.0)
    assert registry.ended(loop, 150.0 + AGE - 1, AGE) is None
    assert registry.ended(loop, 150.0 + AGE, AGE) == "its event loop has stopped"


def test_ended_meeting_a_known_loop_changes_nothing(registry, loop):
    registry.meet(loop, 150.0)
    assert registry.ended(loop, 100.0 + AGE, AGE) is not None


def test_ended_running_loop_is_never(registry, loop):
    loop.running = True
    assert registry.ended(loop, 1e9, AGE) is None


def test_ended_closed_loop_is_at_once(registry, loop):
    loop.closed = True
    registry.scan(101.0)
    assert registry.ended(loop, 101.0, AGE) == "its event loop is closed"


def test_ended_unknown_loop_is_not(registry):
    assert registry.ended(Loop(), 1e9, AGE) is None


def test_iter_gives_living_loops_only(registry, loop):
    assert list(registry) == [loop]
    other = Loop()
    registry.meet(other, 100.0)
    del other
    gc.collect()
    assert list(registry) == [loop]


def test_meet_loop_without_weak_references_is_not_remembered(registry, loop):
    class Bare:
        __slots__ = ()

    registry.meet(Bare(), 100.0)
    assert list(registry) == [loop]


def test_discover_running_loop_of_asyncio(registry):
    """From Python 3.14 on tasks are found through their loop alone."""

    async def main():
        registry.discover(100.0)
        return asyncio.get_running_loop() in list(registry)

    assert asyncio.run(main()) is (sys.version_info >= (3, 14))
