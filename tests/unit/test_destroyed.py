"""Destroyed tasks: which sites have a group, with which observation, and until when."""

import asyncio
from types import SimpleNamespace

import pytest
from census_rows import Rows

from opentelemetry.instrumentation.concurrency.diagnose import destroyed as destroyed_module
from opentelemetry.instrumentation.concurrency.diagnose.destroyed import DestroyedTasks
from opentelemetry.instrumentation.concurrency.diagnose.introspection.last_waits import LastWaits


@pytest.fixture
def site():
    return Rows().site()


@pytest.fixture
def suspended(loop):
    """Make tasks that wait for a future."""

    async def wait():
        await loop.create_future()

    def start():
        made = loop.create_task(wait())
        loop.run_until_complete(asyncio.sleep(0))
        return made

    return start


@pytest.fixture
def ended(loop):
    """Return a task that no longer shows where it waited."""

    async def end():
        """Wait for nothing."""

    made = loop.create_task(end())
    loop.run_until_complete(made)
    return made


def test_destroyed_task_is_a_group_with_its_observation(site, suspended):
    tasks = DestroyedTasks(LastWaits())
    site.destroyed = 3
    tasks.note(site, suspended())
    (group,) = tasks.groups(10.0)
    assert (group.site, group.verdict, group.count, group.since) == (site, "destroyed", 3, 10.0)
    assert group.last_observation.chain[-1].function.endswith("wait")
    (later,) = tasks.groups(20.0)
    assert later.since == 10.0


def test_destroyed_task_not_counted_yet_is_not_a_group(site, suspended):
    """The hook inspects the task before the site's counter rises."""
    tasks = DestroyedTasks(LastWaits())
    tasks.note(site, suspended())
    assert list(tasks.groups(10.0)) == []


def test_destroyed_reported_group_returns_with_further_tasks(site, suspended):
    tasks = DestroyedTasks(LastWaits())
    site.destroyed = 1
    tasks.note(site, suspended())
    (group,) = tasks.groups(10.0)
    group.on_report()
    assert list(tasks.groups(20.0)) == []
    tasks.note(site, latest := suspended())
    assert list(tasks.groups(30.0)) == []
    site.destroyed = 2
    (again,) = tasks.groups(40.0)
    assert (again.count, again.since) == (2, 10.0)
    assert again.last_observation.name == latest.get_name()


def test_destroyed_first_task_that_shows_its_wait_is_kept(site, suspended, ended):
    tasks, first, second = DestroyedTasks(LastWaits()), suspended(), suspended()
    site.destroyed = 3
    for task in (ended, first, second):
        tasks.note(site, task)
    (group,) = tasks.groups(10.0)
    assert group.last_observation.name == first.get_name()


def test_destroyed_task_without_wait_has_that_of_the_latest(site, loop, suspended, ended):
    waits = LastWaits()
    rows = Rows()
    latest = rows.add(suspended(), rows.site(), at=1.0)
    waits.scan(rows.census.tasks, lambda: None)
    tasks = DestroyedTasks(waits)
    site.destroyed = 1
    tasks.note(site, ended)
    (group,) = tasks.groups(10.0)
    assert group.last_observation.chain[-1].function.endswith("wait")
    assert "latest task of its site" in group.last_observation.chain_note
    assert not latest.done()


def test_destroyed_tasks_that_show_no_wait_are_inspected_32x(site, ended, monkeypatch):
    observed = []
    observe = destroyed_module.observe
    monkeypatch.setattr(destroyed_module, "observe", lambda *a, **options: observed.append(a) or observe(*a, **options))
    tasks = DestroyedTasks(LastWaits())
    for _ in range(100):
        tasks.note(site, ended)
    assert len(observed) == 32


@pytest.mark.parametrize(("chain", "note", "is_whole"), [((1,), "", True), ((1,), "cut", False), ((), "", False)])
def test_observation_with_a_chain_and_no_note_is_whole(chain, note, is_whole):
    observation = SimpleNamespace(chain=chain, chain_note=note)
    assert destroyed_module._is_whole(observation) is is_whole
