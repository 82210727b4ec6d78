"""Checks per site: too many live tasks without owner, tasks of connections, and declared ones."""

import asyncio
import threading

import pytest
from census_rows import Rows
from suspended_tasks import socket_pair

from opentelemetry.instrumentation.concurrency import long_lived
from opentelemetry.instrumentation.concurrency.diagnose.growth.live_limit import (
    are_declared,
    are_of_connections,
    crowded_without_owner,
)


class Filled:
    """A census whose rows refer to a few tasks, each of them several times."""

    def __init__(self):
        self.rows = Rows()
        self.site = self.rows.site()
        self.columns = self.rows.census.tasks
        self.loop = asyncio.SelectorEventLoop()

    def start(self, coroutine):
        task = self.loop.create_task(coroutine)
        self.loop.run_until_complete(asyncio.sleep(0))
        return task

    def suspended(self):
        return self.start(self.wait(self.loop.create_future()))

    async def wait(self, future):
        await future

    def fill(self, *tasks, times=1):
        """Add each task ``times`` times and return all rows; None stands for a freed task."""
        for task in tasks * times:
            # An object that only the call holds is freed at once.
            self.rows.add(Freed() if task is None else task, self.site, at=1.0)
        return range(len(self.columns))

    def crowded(self, rows, limit):
        return crowded_without_owner(self.columns, rows, limit)


class Freed:
    """Stands for a task that has been freed."""


@pytest.fixture
def filled():
    made = Filled()
    yield made
    for task in asyncio.all_tasks(made.loop):
        task.cancel()
    for _ in range(3):
        made.loop.run_until_complete(asyncio.sleep(0))
    made.loop.close()


def test_crowded_more_than_the_limit_gives_the_evidence(filled):
    rows = filled.fill(filled.suspended(), times=6)
    assert filled.crowded(rows, 5) == (
        "6 are live at once, more than 5, and all of them have no owner and do not wait for the network"
    )
    assert filled.crowded(rows, 6) is None


def test_crowded_omits_owned_tasks(filled):
    free = filled.suspended()
    owned = filled.suspended()
    filled.start(filled.wait(owned))
    rows = filled.fill(free, owned, times=4)
    assert filled.crowded(rows, 4) is None
    assert "8 are live at once, more than 3, and about 50 % of them" in filled.crowded(rows, 3)


def test_crowded_omits_tasks_that_wait_for_the_network(filled):
    with socket_pair() as (reader, _):
        task = filled.start(filled.wait(filled.loop.sock_recv(reader, 1)))
        assert filled.crowded(filled.fill(task, times=6), 5) is None
        task.cancel()
        filled.loop.run_until_complete(asyncio.sleep(0))


def test_crowded_without_live_tasks_is_none(filled):
    assert filled.crowded(filled.fill(None, times=6), 5) is None


def test_crowded_share_of_a_sample_is_extrapolated_to_all(filled):
    """Of 600, every third is inspected: those have no owner."""
    free, owned = filled.suspended(), filled.suspended()
    filled.start(filled.wait(owned))
    rows = filled.fill(free, owned, owned, times=200)
    assert filled.crowded(rows, 599).startswith("600 are live at once, more than 599, and all of them")


def test_are_of_connections_needs_more_than_half(filled):
    """A task that has been freed counts as one of a connection."""
    filled.fill(None, filled.suspended(), None)
    assert are_of_connections(filled.columns, [0, 1, 2])
    assert not are_of_connections(filled.columns, [0, 1])
    assert not are_of_connections(filled.columns, [1])


@long_lived("polls")
def poll():
    """Stand for what a declared thread runs."""


def work():
    """Stand for what another thread runs."""


class Threads:
    """Threads that are never started, in order of their creation times."""

    def __init__(self, *targets):
        self.rows = Rows()
        site = self.rows.site(kind="thread")
        self.threads = [threading.Thread(target=target) for target in targets]
        for at, thread in enumerate(self.threads):
            self.rows.add(thread, site, at=float(at))

    def are_declared(self):
        columns = self.rows.census.threads
        return are_declared(columns, range(len(columns))[::-1], "thread")


def test_are_declared_threads_that_run_a_declared_function():
    assert Threads(poll, poll).are_declared()
    assert not Threads(poll, work).are_declared()


def test_are_declared_skips_freed_threads():
    threads = Threads(work, poll)
    del threads.threads[0]
    assert threads.are_declared()


def test_are_declared_inspects_the_oldest_two_hundred():
    assert Threads(*[poll] * 200, work).are_declared()
    assert not Threads(*[poll] * 199, work).are_declared()
    assert not Threads(work, *[poll] * 200).are_declared()


def test_are_declared_tasks_that_their_creator_declares(filled):
    async def main():
        creator = asyncio.current_task()
        with long_lived("polls"):
            declared = asyncio.ensure_future(filled.wait(filled.loop.create_future()))
        other = asyncio.ensure_future(filled.wait(filled.loop.create_future()))
        for task in (declared, other):
            filled.rows.add(task, filled.site, at=1.0, creator=creator)
        return [are_declared(filled.columns, rows, "task") for rows in ([0], [1], [0, 1])]

    assert filled.loop.run_until_complete(main()) == [True, False, False]
