"""All tasks that asyncio knows, and the counts of what is live."""

import asyncio
import sys
import threading
from types import SimpleNamespace
from weakref import ref

import pytest

from opentelemetry.instrumentation.concurrency.census.counts import count_live
from opentelemetry.instrumentation.concurrency.census.registry import most_registered, registered_tasks
from opentelemetry.instrumentation.concurrency.record.own_thread import OWN_THREAD


async def wait():
    await asyncio.get_running_loop().create_future()


def in_loop(ask):
    """Return what ``ask`` returns in a loop with three pending tasks and one finished one; it gets loop and tasks."""

    async def main():
        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        finished = asyncio.create_task(asyncio.sleep(0))
        await finished
        try:
            return ask(asyncio.get_running_loop(), [*tasks, asyncio.current_task()], finished)
        finally:
            for task in tasks:
                task.cancel()

    return asyncio.run(main())


def test_registered_tasks_are_the_pending_ones():
    def ask(loop, tasks, finished):
        found = list(registered_tasks([loop]))
        return all(task in found for task in tasks), finished in found, len(found) == len(set(map(id, found)))

    assert in_loop(ask) == (True, False, True)


def test_registered_tasks_inherited_by_a_fork_are_left_out():
    def ask(loop, tasks, finished):
        inherited = {id(tasks[0]): ref(tasks[0]), id(tasks[1]): ref(finished)}
        found = list(registered_tasks([loop], inherited))
        return tasks[0] in found, tasks[1] in found

    assert in_loop(ask) == (False, True)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="only a walk tells")
def test_most_registered_counts_every_task():
    before = most_registered()
    assert in_loop(lambda loop, tasks, finished: most_registered()) >= before + 4


@pytest.mark.skipif(sys.version_info < (3, 14), reason="there is a set to count")
def test_most_registered_without_a_set_returns_none():
    assert most_registered() is None


def test_registered_tasks_before_asyncio_is_imported_are_none(monkeypatch):
    monkeypatch.delitem(sys.modules, "asyncio.tasks")
    assert list(registered_tasks(())) == []
    assert most_registered() == 0


def census_of(loop):
    calls = []
    census = SimpleNamespace(
        admit_young=lambda: calls.append("admit_young"),
        loops=type("Loops", (list,), {"discover": lambda self, now: calls.append(now)})([loop]),
        clock=SimpleNamespace(now=lambda: 7.0),
        unrecorded_tasks=SimpleNamespace(inherited={}),
    )
    return census, calls


def test_count_live_counts_pending_tasks_and_threads():
    def ask(loop, tasks, _finished):
        census, calls = census_of(loop)
        before = count_live(census)
        tasks[0].get_loop().create_task(wait()).add_done_callback(lambda _: None)
        after = count_live(census)
        return after.tasks - before.tasks, after.threads - before.threads, calls[:2]

    assert in_loop(ask) == (1, 0, ["admit_young", 7.0])


def test_count_live_without_threads_of_this_package():
    release = threading.Event()
    theirs, ours = (threading.Thread(target=release.wait) for _ in range(2))
    setattr(ours, OWN_THREAD, True)
    before = count_live(None).threads
    try:
        theirs.start()
        ours.start()
        assert count_live(None).threads == before + 1
    finally:
        release.set()
        theirs.join()
        ours.join()
