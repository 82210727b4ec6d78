"""When a task or thread that no hook recorded is entered: not at first sight, as its hook may not have returned."""

from types import SimpleNamespace
from weakref import ref

import pytest

from opentelemetry.instrumentation.concurrency.census import unrecorded as unrecorded_module
from opentelemetry.instrumentation.concurrency.census.columns import Columns
from opentelemetry.instrumentation.concurrency.census.unrecorded import Unrecorded
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.record.young import YoungList

SITE = Site("task", 0, None, -2, "shop.query")


class Task:
    pass


@pytest.fixture
def unrecorded():
    return Unrecorded()


@pytest.fixture
def columns():
    return Columns(lambda _: False)


def entered(unrecorded, columns, *tasks, at_once=False):
    return list(unrecorded.to_enter(list(map(ref, tasks)), columns, at_once=at_once))


def test_to_enter_at_first_sight_enters_nothing(unrecorded, columns):
    task = Task()
    assert entered(unrecorded, columns, task) == []
    assert not unrecorded.were_entered(task)


def test_to_enter_at_second_sight_enters_once(unrecorded, columns):
    task = Task()
    entered(unrecorded, columns, task)
    assert entered(unrecorded, columns, task) == [task]
    assert unrecorded.were_entered(task)


def test_to_enter_not_seen_in_between_starts_over(unrecorded, columns):
    task = Task()
    entered(unrecorded, columns, task)
    entered(unrecorded, columns)
    assert entered(unrecorded, columns, task) == []


def test_to_enter_at_once_needs_no_second_sight(unrecorded, columns):
    """A snapshot on request shows what there is."""
    task = Task()
    assert entered(unrecorded, columns, task, at_once=True) == [task]


def test_to_enter_recorded_meanwhile_is_not_entered(unrecorded, columns):
    task = Task()
    entered(unrecorded, columns, task)
    columns.add(task, ref(task), SITE, 1.0, None, None)
    assert entered(unrecorded, columns, task) == []


def test_to_enter_ended_meanwhile_is_not_entered(unrecorded, columns):
    task = Task()
    reference = ref(task)
    list(unrecorded.to_enter([reference], columns, at_once=False))
    del task
    assert list(unrecorded.to_enter([reference], columns, at_once=False)) == []


def test_among_gives_those_without_a_row(unrecorded, columns):
    known, unknown = Task(), Task()
    columns.add(known, ref(known), SITE, 1.0, None, None)
    found = unrecorded.among([known, unknown], columns, lambda: None)
    assert [reference() for reference in found] == [unknown]


def test_among_gives_all_of_many_and_pauses_in_between(unrecorded, columns, monkeypatch):
    monkeypatch.setattr(unrecorded_module, "SLICE", 1)
    tasks, pauses = [Task() for _ in range(5)], []
    for task in tasks[::2]:
        columns.add(task, ref(task), SITE, 1.0, None, None)
    found = unrecorded.among(tasks, columns, lambda: pauses.append(True))
    assert [reference() for reference in found] == tasks[1::2]
    # One for the rows, one for each two objects.
    assert len(pauses) == 4


def test_are_sought_among_few_always(unrecorded, columns, monkeypatch):
    assert unrecorded.are_sought(columns)
    monkeypatch.setattr(unrecorded_module, "_SOUGHT_ALWAYS_BELOW", 1)
    task = Task()
    columns.add(task, ref(task), SITE, 1.0, None, None)
    assert not unrecorded.are_sought(columns)


@pytest.mark.parametrize(("registered", "likely"), [(2, False), (3, True), (None, False)])
def test_judge_among_many_compares_counts(unrecorded, columns, monkeypatch, registered, likely):
    """One row, one young creation: a third registered task is unrecorded."""
    monkeypatch.setattr(unrecorded_module, "_SOUGHT_ALWAYS_BELOW", 1)
    monkeypatch.setattr(unrecorded_module, "most_registered", lambda: registered)
    young, tasks = YoungList(lambda _: False), [Task(), Task()]
    columns.add(tasks[0], ref(tasks[0]), SITE, 1.0, None, None)
    young.entries += (ref(tasks[1]), SITE, 1.0, None, None, id(tasks[1]))
    unrecorded.judge(unrecorded_module._SOUGHT_EVERY + 1, columns, young)
    assert not unrecorded.are_sought(columns)
    unrecorded.judge(unrecorded_module._SOUGHT_EVERY, columns, young)
    assert unrecorded.are_sought(columns) is likely


def test_judge_without_counts_uses_earlier_entries(unrecorded, columns, monkeypatch):
    monkeypatch.setattr(unrecorded_module, "_SOUGHT_ALWAYS_BELOW", 1)
    monkeypatch.setattr(unrecorded_module, "most_registered", lambda: None)
    task = Task()
    entered(unrecorded, columns, task, at_once=True)
    columns.add(task, ref(task), SITE, 1.0, None, None)
    unrecorded.judge(unrecorded_module._SOUGHT_EVERY, columns, YoungList(lambda _: False))
    assert unrecorded.are_sought(columns)


def test_judge_seen_once_is_sought_again(unrecorded, columns, monkeypatch):
    monkeypatch.setattr(unrecorded_module, "_SOUGHT_ALWAYS_BELOW", 1)
    known, unknown = Task(), Task()
    columns.add(known, ref(known), SITE, 1.0, None, None)
    entered(unrecorded, columns, unknown)
    unrecorded.judge(1, columns, YoungList(lambda _: False))
    assert unrecorded.are_sought(columns)


def test_name_of_unrecorded_task_is_its_coroutine():
    coroutine = object()
    assert unrecorded_module.name_of_unrecorded(SimpleNamespace(get_coro=lambda: coroutine)) is coroutine
