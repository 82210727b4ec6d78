"""Executors whose workers are all stuck get a verdict; those that fill up, or that work, get none."""

import asyncio
import functools
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.executors import ExecutorWatch, are_bounded_workers
from opentelemetry.instrumentation.concurrency.diagnose.ownership.ignored import IgnoreList
from opentelemetry.instrumentation.concurrency.record.started import name_of_call

AGE_S = 300


class Scans:
    """Scans of a census at times of the test's choice, with a watch over executors."""

    def __init__(self, installation, used=lambda _: "1", ignored=()):
        self.census = installation.census
        self.watch = ExecutorWatch(AGE_S, IgnoreList(ignored), used=used)

    def at(self, seconds):
        scan = self.census.scan()
        scan = type(scan)(scan.number, seconds, False, scan.tasks, scan.threads, False)
        with self.census.locked():
            return self.watch.search(self.census, scan)


@contextmanager
def full_pool(calls, workers=2):
    """A pool whose workers are all in a call, each in its own; gives the events that end the calls."""
    releases, begun = [threading.Event() for _ in range(calls)], threading.Semaphore(0)

    def wait_for(release):
        begun.release()
        release.wait()

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(wait_for, release) for release in releases]
        for _ in range(workers):
            begun.acquire()
        try:
            yield releases, futures, begun
        finally:
            for release in releases:
                release.set()


def test_stuck_workers_are_orphans_of_the_line_of_their_executor(instrumented):
    scans = Scans(instrumented)
    with full_pool(5):
        assert scans.at(1000) == []
        assert scans.at(1299) == []
        (found,) = scans.at(1301)
        (evidence,) = set(found.evidence.values())
        assert len(found.rows) == 2 and found.site.function == f"{__name__}.full_pool"
        assert evidence == (
            f"all 2 workers of this executor have slept in their calls ({__name__}.full_pool.wait_for) for 5 minutes, "
            "and 3 calls wait in its queue"
        )
    assert scans.at(2000) == []


def test_idle_queue_accuses_no_stuck_worker(instrumented):
    scans = Scans(instrumented)
    with full_pool(2):
        assert scans.at(1000) == scans.at(2000) == []


def test_new_call_begins_anew(instrumented):
    scans = Scans(instrumented)
    with full_pool(5) as (releases, futures, begun):
        scans.at(1000)
        releases[0].set()
        futures[0].result()
        begun.acquire()
        assert scans.at(1301) == []
        assert scans.at(1590) == []
        assert len(scans.at(1602)) == 1


def test_worker_that_uses_the_processor_is_not_stuck(instrumented):
    used = iter(range(100))
    scans = Scans(instrumented, used=lambda _: str(next(used)))
    with full_pool(5):
        assert [scans.at(at) for at in (1000, 1301, 1602)] == [[], [], []]


def test_running_worker_is_not_stuck(instrumented):
    scans = Scans(instrumented, used=lambda _: "")
    with full_pool(5):
        assert scans.at(1000) == scans.at(1301) == []


def test_system_that_tells_nothing_leaves_the_place_of_the_call(instrumented):
    scans = Scans(instrumented, used=lambda _: None)
    with full_pool(5):
        scans.at(1000)
        assert len(scans.at(1301)) == 1


def test_ignored_executor_gets_no_verdict(instrumented):
    scans = Scans(instrumented, ignored=[f"{__name__}.*"])
    with full_pool(5):
        assert scans.at(1000) == scans.at(1301) == []


def test_ended_executor_is_forgotten(instrumented):
    scans = Scans(instrumented)
    with full_pool(5):
        scans.at(1000)
        assert len(scans.watch._calls) == 1
    scans.at(1100)
    assert len(scans.watch._calls) == 0


@pytest.mark.parametrize(("executors", "bounded"), [(20, True), (21, False)])
def test_few_executors_have_a_bounded_number_of_workers(instrumented, executors, bounded):
    pools = [ThreadPoolExecutor(8) for _ in range(executors)]
    site = instrumented.recorder.executor_sites[pools[0]]
    assert are_bounded_workers(instrumented.census, site, 20) is bounded


@pytest.mark.parametrize(
    "function",
    [
        queue.Queue.get,
        functools.partial(queue.Queue.get, 1),
        functools.partial(copy_context().run, queue.Queue.get, 1),
        queue.Queue().get,
    ],
)
def test_name_of_a_submitted_function_is_seen_through_wrappers(function):
    assert name_of_call({"fn": function, "args": ()}) == "queue.Queue.get"
    assert name_of_call({"fn": copy_context().run, "args": (function,)}) == "queue.Queue.get"


@pytest.mark.parametrize("call", [lambda: asyncio.to_thread(int), lambda: asyncio.wait_for(asyncio.to_thread(int), 60)])
def test_default_executor_belongs_to_the_line_of_its_first_call(instrumented, call):
    """Also where asyncio makes the task that makes it: `wait_for` does below 3.12."""

    async def main():
        await call()
        return [site.function for site in instrumented.recorder.executor_sites.values()]

    assert asyncio.run(main()) == [f"{__name__}.test_default_executor_belongs_to_the_line_of_its_first_call.main"]
