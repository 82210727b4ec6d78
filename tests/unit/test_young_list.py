"""The young list: what it gives to the census, what it prunes, and what it still knows of addresses."""

from weakref import ref

import pytest

from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.record.young import WIDTH, Dropped, YoungList

SITE = Site("task", 0, None, -2, "shop.query", runs="shop.ask")
OTHER_SITE = Site("task", 1, None, -2, "shop.mail", runs="shop.send")


class Task:
    def __init__(self, finished=False):
        self.finished = finished


class State:
    is_collecting = False


@pytest.fixture
def state():
    return State()


@pytest.fixture
def young(state):
    return YoungList(lambda task: task.finished, lambda: state.is_collecting)


def enter(young, task, site=SITE):
    young.entries += (ref(task), site, 1.0, None, None, id(task))
    return task


def living(entries):
    return [reference() for reference in entries[::WIDTH]]


def test_drain_takes_all_once(young):
    tasks = [enter(young, Task()) for _ in range(3)]
    assert living(young.drain()) == tasks
    assert young.drain() == []


def test_drain_leaves_entries_created_meanwhile(young):
    """A hook in another thread adds to the list without a lock, between any two steps."""
    late = Task()

    class CreatedMeanwhile(list):
        def __getitem__(self, key):
            taken = super().__getitem__(key)
            if isinstance(key, slice):
                enter(young, late)
            return taken

    early = Task()
    young.entries = CreatedMeanwhile([ref(early), SITE, 1.0, None, None, id(early)])
    assert living(young.drain()) == [early]
    assert living(list(young.entries)) == [late]


def test_drain_with_a_lost_lock_goes_on(young, monkeypatch):
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.record.young._LOCK_TIMEOUT_S", 0.001)
    task = enter(young, Task())
    young._lock.acquire()
    assert living(young.drain()) == [task]
    assert young.drain() == []


def test_prune_keeps_the_living_in_their_order(young):
    first, finished, second = (enter(young, Task(finished)) for finished in (False, True, False))
    gone = enter(young, Task())
    del gone
    young.prune()
    assert living(young.entries) == [first, second]
    assert finished not in living(young.entries)


def test_prune_of_all_dead_empties_the_list(young):
    for _ in range(5):
        enter(young, Task())
    young.prune()
    assert young.entries == []


def test_prune_lets_the_list_double_before_the_next(young):
    kept = [enter(young, Task()) for _ in range(1000)]
    young.prune()
    assert young.limit == 2 * len(kept) * WIDTH
    young.drain()
    young.prune()
    assert young.limit == 64 * WIDTH


def test_prune_while_another_thread_holds_the_lock_does_nothing(young):
    enter(young, Task())
    with young._lock:
        young.prune()
    assert len(young.entries) == WIDTH


def test_site_at_of_the_newest_creation_at_an_address(young):
    task = enter(young, Task())
    assert young.site_at(id(task)) is SITE
    enter(young, task, OTHER_SITE)
    assert young.site_at(id(task)) is OTHER_SITE
    assert young.site_at(1) is None


def test_site_at_survives_drain_until_the_next_scan_has_ended(young):
    task = enter(young, Task())
    young.drain()
    assert young.site_at(id(task)) is SITE
    young.drained()
    assert young.site_at(id(task)) is SITE
    young.end_scan()
    assert young.site_at(id(task)) is SITE
    young.end_scan()
    assert young.site_at(id(task)) is None


def test_site_at_of_entries_pruned_after_a_query(young):
    task = enter(young, Task(finished=True))
    young.prune()
    assert young.site_at(id(task)) is None
    enter(young, task)
    young.prune()
    assert young.site_at(id(task)) is SITE


def test_site_at_of_entries_pruned_during_a_collection(young, state):
    task = enter(young, Task(finished=True))
    state.is_collecting = True
    young.prune()
    assert young.site_at(id(task)) is SITE
    for _ in range(3):
        young.drain()
        young.drained()
        young.end_scan()
    assert young.site_at(id(task)) is SITE
    state.is_collecting = False
    young.end_scan()
    young.end_scan()
    young.drain()
    young.end_scan()
    young.end_scan()
    assert young.site_at(id(task)) is None


def test_forget_empties_all_and_makes_the_lock_anew(young):
    """In a forked child, where the thread that held it does not exist."""
    task = enter(young, Task())
    young._lock.acquire()
    young.forget()
    assert young.entries == []
    assert young.site_at(id(task)) is None
    assert young.drain() == []


def test_dropped_last_keeps_the_latest():
    dropped = Dropped()
    dropped.add([1, 2, 3], [SITE, SITE, OTHER_SITE])
    assert len(dropped) == 3
    last = dropped.last(2)
    assert (len(last), last.site_at(1), last.site_at(2), last.site_at(3)) == (2, None, SITE, OTHER_SITE)
    dropped.clear()
    assert len(dropped) == 0
