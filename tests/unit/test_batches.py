"""Which tasks are examined together. Lists stand for tasks: what a list contains is what the task reaches."""

import asyncio
from functools import partial

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof import batches as batches_module
from opentelemetry.instrumentation.concurrency.diagnose.proof.batches import Batches
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Closure, Cut, Pace

LIMIT = 20


@pytest.fixture(autouse=True)
def small_closures(monkeypatch):
    monkeypatch.setattr(batches_module, "Closure", partial(Closure, limit=LIMIT))


def reaching(count):
    """Return a task that reaches ``count`` objects, including itself."""
    return [[] for _ in range(count - 1)]


def batches_of(tasks, loops=()):
    return Batches(tasks, Cut(loops), Pace(lambda: None))


def places(batches, tasks):
    """Return the batches as positions in ``tasks``."""
    place = {id(task): number for number, task in enumerate(tasks)}
    return [[place[id(task)] for task in batch] for batch in batches]


def test_batches_few_tasks_are_one_batch():
    tasks = [reaching(3) for _ in range(4)]
    assert places(batches_of(tasks), tasks) == [[0, 1, 2, 3]]


def test_batches_of_no_tasks_are_none():
    assert list(batches_of([])) == []


def test_batches_few_objects_do_not_split_collections():
    """As long as few objects are reached, all of them are part of the batch."""
    batches = batches_of([reaching(3)])
    list(batches)
    assert batches.splits is False


def test_batches_related_task_joins_the_one_that_reaches_it():
    """The first task reaches the last. There is no room for all three."""
    last = reaching(5)
    tasks = [[last], reaching(12), last]
    assert places(batches_of(tasks), tasks) == [[0, 2], [1]]


def test_batches_task_beyond_the_limit_comes_in_a_later_one():
    tasks = [reaching(8) for _ in range(5)]
    assert places(batches_of(tasks), tasks) == [[0, 1], [2, 3], [4]]


def test_batches_task_that_nearly_fills_a_closure_is_alone():
    tasks = [reaching(LIMIT - 1), reaching(3)]
    batches = batches_of(tasks)
    assert places(batches, tasks) == [[0], [1]]
    assert not batches.splits


def test_batches_tasks_that_reach_too_much_are_left_out():
    """Three are examined alone, in order to learn which objects are live."""
    tasks = [reaching(2 * LIMIT) for _ in range(5)]
    batches = batches_of(tasks)
    assert places(batches, tasks) == [[0], [1], [2]]
    assert batches.left_out == {id(tasks[3]), id(tasks[4])}
    assert batches.splits


def test_batches_task_that_reaches_too_much_takes_no_other_along():
    small = reaching(2)
    tasks = [[small, *reaching(2 * LIMIT)], small]
    assert places(batches_of(tasks), tasks) == [[0], [1]]


def test_batches_reason_counts_the_tasks_left_out():
    batches = batches_of([])
    assert batches.reason == ""
    batches.left_out.add(1)
    assert batches.reason.startswith("1 task reaches more than ")
    batches.left_out.add(2)
    assert batches.reason.startswith("2 tasks reach more than ")


def test_batches_not_reached_has_the_current_batch_and_later():
    tasks = [reaching(15), reaching(16), reaching(17)]
    batches, seen = batches_of(tasks), []
    assert batches.not_reached == set(map(id, tasks))
    for _ in batches:
        seen.append([place for place, task in enumerate(tasks) if id(task) in batches.not_reached])
    assert seen == [[0, 1, 2], [1, 2], [2]]
    assert batches.not_reached == set()


def test_batches_collection_of_many_tasks_does_not_join_them(monkeypatch):
    """Each task holds a list of all tasks, and all of them together reach too many objects."""
    monkeypatch.setattr(batches_module, "Closure", partial(Closure, limit=100))
    loop, everyone = asyncio.new_event_loop(), []

    async def wait(held):
        assert held is everyone
        await loop.create_future()

    everyone += [loop.create_task(wait(everyone)) for _ in range(60)]
    loop.run_until_complete(asyncio.sleep(0))
    batches = batches_of(everyone[:], [loop])
    found = places(batches, everyone)
    for task in everyone:
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert [place for batch in found for place in batch] == list(range(60))
    assert len(found) > 1
    assert batches.splits
    assert not batches.left_out
