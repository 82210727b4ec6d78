"""Since when a task has waited for the same object."""

import asyncio

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection import stalls
from opentelemetry.instrumentation.concurrency.diagnose.introspection.stalls import StallTracker


@pytest.fixture
def turns(loop):
    """A task that waits for one future after the other."""
    futures = [loop.create_future() for _ in range(3)]

    async def wait():
        for future in futures:
            await future

    task = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))

    def turn():
        next(each for each in futures if not each.done()).set_result(None)
        loop.run_until_complete(asyncio.sleep(0))

    return task, turn


def test_stall_begins_when_a_task_waits_for_another_object(turns):
    task, turn = turns
    tracker = StallTracker()
    for now, expected in ((1.0, 1.0), (2.0, 1.0)):
        tracker.begin_scan()
        tracker.scan(7, 0, task, now)
        tracker.end_scan()
        assert tracker.since(7) == expected
    turn()
    tracker.begin_scan()
    tracker.scan(7, 0, task, 3.0)
    tracker.end_scan()
    assert tracker.since(7) == 3.0


def test_stall_of_a_task_that_was_not_scanned_is_dropped(turns):
    task, _ = turns
    tracker = StallTracker()
    tracker.scan(7, 0, task, 1.0)
    tracker.end_scan()
    tracker.begin_scan()
    tracker.end_scan()
    assert tracker.since(7) is None


def test_stalls_are_limited_for_each_site(turns, monkeypatch):
    monkeypatch.setattr(stalls, "WATCHED_PER_SITE", 2)
    task, _ = turns
    tracker = StallTracker()
    for _ in range(2):
        tracker.begin_scan()
        for serial in range(4):
            tracker.scan(serial, serial % 2 if serial == 3 else 0, task, 1.0)
        tracker.end_scan()
        assert [tracker.since(serial) for serial in range(4)] == [1.0, 1.0, None, 1.0]
