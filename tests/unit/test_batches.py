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
    """Return the batches as positions in ``tasks``, without those read only in order to learn."""
    place = {id(task): number for number, task in enumerate(tasks)}
    return [[place[id(task)] for task in batch] for batch in batches if not batches.is_lesson]


def lessons_of(tasks, learn=lambda *_: None):
    """Return what is read in order to learn, as limits and positions in ``tasks``, and the batches thereafter."""
    place = {id(task): number for number, task in enumerate(tasks)}
    batches = batches_of(tasks)
    lessons, found = [], []
    for batch in batches:
        numbers = [place[id(task)] for task in batch]
        if batches.is_lesson:
            lessons.append((batches.limit, numbers))
            learn(batches, batch)
        else:
            found.append((batches.limit, numbers))
    return lessons, found


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
    tasks = [reaching(2 * LIMIT) for _ in range(5)]
    batches = batches_of(tasks)
    assert places(batches, tasks) == []
    assert batches.left_out == set(map(id, tasks))
    assert batches.splits


def test_batches_learn_from_small_closures_first_then_from_three_usual_ones(monkeypatch):
    monkeypatch.setattr(batches_module, "_LESSON_SHARE", 4)
    lessons, found = lessons_of([reaching(2 * LIMIT) for _ in range(2)])
    small = [(LIMIT // 4, [0]), (LIMIT // 4, [1])]
    assert (lessons, found) == ([*small, (LIMIT, [0]), (LIMIT, [1]), (LIMIT, [0])], [])


def test_batches_tasks_of_a_lesson_are_examined_later(monkeypatch):
    """What the lesson shows to be live is not read again, and all tasks fit."""
    monkeypatch.setattr(batches_module, "_LESSON_SHARE", 2)
    service = reaching(2 * LIMIT)
    lessons, found = lessons_of([[service], [service], [service]], lambda batches, _: batches._cut.add_live([service]))
    assert lessons == [(LIMIT // 2, [0])]
    assert found == [(LIMIT, [1, 2, 0])]


def test_batches_learn_nothing_from_a_task_with_many_related_ones(monkeypatch):
    """Its objects may be held by one for which a small closure has no room."""
    monkeypatch.setattr(batches_module, "_LESSON_SHARE", 2)
    monkeypatch.setattr(batches_module, "MOST_TASKS_THAT_JOIN", 1)
    last = reaching(2 * LIMIT)
    lessons, _ = lessons_of([[last], last])
    assert (LIMIT // 2, [0, 1]) not in lessons
    assert (LIMIT // 2, [1]) in lessons


def test_batches_that_fit_need_no_lesson():
    assert lessons_of([reaching(3)])[0] == []


def test_batches_learn_from_no_more_than_two_dozen_small_closures():
    small = [lesson for lesson in lessons_of([reaching(2 * LIMIT) for _ in range(40)])[0] if lesson[0] < LIMIT]
    assert len(small) == 24


def test_batches_task_that_reaches_too_much_takes_no_other_along():
    small = reaching(2)
    tasks = [[*reaching(2 * LIMIT), small], small]
    batches = batches_of(tasks)
    assert (places(batches, tasks), batches.left_out) == ([[1]], {id(tasks[0])})


def test_batches_many_related_tasks_that_reach_too_much_are_left_out_at_once(monkeypatch):
    """Trying each would cost a whole closure each."""
    monkeypatch.setattr(batches_module, "MOST_TASKS_THAT_JOIN", 1)
    small = reaching(2)
    tasks = [[*reaching(2 * LIMIT), small], small]
    batches = batches_of(tasks)
    assert (places(batches, tasks), batches.left_out) == ([], set(map(id, tasks)))


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
    assert sorted(place for batch in found for place in batch) == list(range(60))
    assert len(found) > 1
    assert batches.splits
    assert not batches.left_out
