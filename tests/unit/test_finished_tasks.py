"""Finished tasks that a collection of the application keeps are found by name; those about to be collected are not."""

import asyncio
import collections
import gc
import sys
from types import SimpleNamespace

import pytest
from pictured import snapshot

from opentelemetry.instrumentation.concurrency.census.pace import no_pause
from opentelemetry.instrumentation.concurrency.cli.leaks import leak_lines
from opentelemetry.instrumentation.concurrency.cli.taken import Taken
from opentelemetry.instrumentation.concurrency.diagnose.impact import finished as module
from opentelemetry.instrumentation.concurrency.diagnose.impact import named_walk
from opentelemetry.instrumentation.concurrency.diagnose.impact.finished import (
    LEAST,
    FinishedTasks,
    FinishedWatch,
    finished_tasks,
)
from opentelemetry.instrumentation.concurrency.record.interpreter import FREE_THREADED
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo

pytestmark = pytest.mark.skipif(FREE_THREADED, reason="the walk reads objects that other threads may change")
shop = sys.modules[__name__]
MANY = 2 * LEAST


class Hub:
    def __init__(self):
        self.jobs = {}


class Hostile(list):
    """A collection whose own methods must not be called."""

    armed = False

    def __iter__(self):
        assert not self.armed
        return super().__iter__()

    def __len__(self):
        assert not self.armed
        return super().__len__()


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    """Let this module be the only one of the application."""
    monkeypatch.setattr(named_walk, "is_application_path", lambda path: path == __file__)
    shop.kept, shop.hub = None, Hub()
    yield
    shop.kept, shop.hub = None, None


async def job(number):
    return number


async def wait_for(gate):
    await gate.wait()


def found_in(installation, keep):
    """Keep tasks, let them finish, and return what a search finds."""

    async def main():
        gate = asyncio.Event()
        result = keep(gate)
        for _ in range(3):
            await asyncio.sleep(0)
        found = finished_tasks(installation.census.loops, no_pause)
        gate.set()
        return found, result

    return asyncio.run(main())[0]


def keep_in(kind, number=MANY):
    def keep(_gate):
        shop.kept = kind(asyncio.create_task(job(each)) for each in range(number))

    return keep


@pytest.mark.parametrize("kind", [list, set, tuple, collections.deque, frozenset])
def test_finished_tasks_in_a_module_variable_are_found(instrumented, kind):
    found = found_in(instrumented, keep_in(kind))
    assert found == [FinishedTasks(f"{__name__}.kept", MANY, "job", __file__, job.__code__.co_firstlineno)]


def test_finished_tasks_of_an_object_are_found_by_its_attribute(instrumented):
    def keep(_gate):
        shop.hub.jobs = {each: asyncio.create_task(job(each)) for each in range(MANY)}

    (found,) = found_in(instrumented, keep)
    assert (found.held_by, found.count) == (f"{__name__}.hub.jobs", MANY)


def test_few_finished_tasks_are_not_found(instrumented):
    assert found_in(instrumented, keep_in(list, LEAST - 1)) == []


def test_tasks_that_wait_are_not_found(instrumented):
    def keep(gate):
        shop.kept = [asyncio.create_task(wait_for(gate)) for _ in range(MANY)]

    assert found_in(instrumented, keep) == []


def searches(installation, *numbers):
    """Return what the last of several searches finds, a minute apart, with so many finished tasks."""

    async def main():
        watch, found = FinishedWatch(600.0), []
        for place, number in enumerate(numbers):
            keep_in(list, number)(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            with installation.census.locked():
                found = watch.search(installation.census, 60.0 * place, no_pause)
        return found

    return asyncio.run(main())


def test_rise_over_two_searches_is_reported(instrumented):
    (found,) = searches(instrumented, 100, 150, 200)
    assert (found.count, found.before, found.over_s) == (200, 100, 120.0)


@pytest.mark.parametrize(
    "numbers",
    [(500,), (500, 500, 500), (100, 150, 199), (100, 500, 90, 500), (100, 500, 400), (50, 90, 99)],
    ids=["first", "stands", "rises little", "begins anew", "falls", "few"],
)
def test_collection_that_does_not_keep_rising_is_silent(instrumented, numbers):
    assert searches(instrumented, *numbers) == []


@pytest.mark.parametrize(
    ("interval_s", "has_tasks", "searched"),
    [(600.0, True, [0.0, 600.0, 1300.0]), (0.0, True, []), (600.0, False, [])],
    ids=["due", "on request only", "no tasks"],
)
def test_watch_searches_in_the_background_at_its_interval(monkeypatch, interval_s, has_tasks, searched):
    """Only in a process that runs tasks, and only if there is CPU time for it."""
    times = []
    watch = FinishedWatch(interval_s)
    sites = SimpleNamespace(sites=[object()] if has_tasks else [])
    census = SimpleNamespace(recorder=SimpleNamespace(task_sites=sites), loops=())
    monkeypatch.setattr(module, "finished_tasks", lambda _loops, _pause: times.append(watch._searched_at) or [])
    proofs = SimpleNamespace(spent_s=0.0, can_afford=lambda now: now != 1200.0)
    for now in (0.0, 5.0, 599.0, 600.0, 700.0, 1200.0, 1300.0):
        watch.scan(census, now, proofs, no_pause)
    assert times == searched


def test_tasks_in_a_local_variable_are_not_found(instrumented):
    """``gather`` waits for the last of many."""

    def keep(_gate):
        return [asyncio.create_task(job(each)) for each in range(MANY)]

    assert found_in(instrumented, keep) == []


def test_set_that_discards_finished_tasks_is_not_found(instrumented):
    def keep(_gate):
        shop.kept = set()
        for each in range(MANY):
            task = asyncio.create_task(job(each))
            shop.kept.add(task)
            task.add_done_callback(shop.kept.discard)

    assert found_in(instrumented, keep) == []


def test_methods_of_a_derived_collection_are_not_called(instrumented, monkeypatch):
    def keep(gate):
        keep_in(Hostile)(gate)
        Hostile.armed = True

    try:
        (found,) = found_in(instrumented, keep)
    finally:
        Hostile.armed = False
    assert found.count == MANY


def test_search_that_fails_finds_nothing(instrumented, monkeypatch):
    monkeypatch.setattr(module, "entries_of", lambda _: 1 / 0)
    assert found_in(instrumented, keep_in(list)) == []


def test_search_holds_no_task(instrumented):
    found = found_in(instrumented, keep_in(list))
    assert not any(isinstance(each, asyncio.Task) for each in gc.get_referents(*found))


def test_leaks_show_the_collection_and_what_to_do():
    facts = {"finished_kept": [{"held_by": "shop.kept", "count": 300, "function": "job", "path": "/a.py", "line": 3}]}
    facts["finished_kept"][0].update(before=100, over_s=600.0)
    lines = list(leak_lines(Taken(snapshot([]), ProcessInfo(4711)), facts))
    text = "".join(lines)
    assert all(line.count("\n") == 1 for line in lines)
    head = "300 finished tasks kept in shop.kept\n  there were 100 of them 10 minutes ago\n  ran job  /a.py:3\n"
    assert head in text
    assert "add_done_callback" in text and text.startswith("No leaks")
