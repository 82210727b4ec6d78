"""The columns of the census: what a sweep counts and drops, and what is still known of an address."""

from array import array
from weakref import ref

import pytest

from opentelemetry.instrumentation.concurrency.census.columns import Columns
from opentelemetry.instrumentation.concurrency.record.site import Site

SITES = [Site("task", number, None, -2, f"shop.query_{number}") for number in range(3)]


class Task:
    def __init__(self, finished=False):
        self.finished = finished


class State:
    is_collecting = False


@pytest.fixture
def state():
    return State()


@pytest.fixture
def columns(state):
    return Columns(lambda task: task.finished, lambda: state.is_collecting)


def add(columns, site=0, at=1.0, *, finished=False):
    task = Task(finished)
    columns.add(task, ref(task), SITES[site], at, None, None)
    return task


def sweep(columns, births=(0.0,), slice_size=2, pause=lambda: None):
    """Return by number of a site: how many live, when the oldest was created, and how many by each time."""
    tally = {}
    columns.sweep(slice_size, tally, pause, sorted(births))
    return tally


def test_sweep_counts_live_ones_and_the_oldest_per_site(columns):
    """The oldest, whatever the order in which they were entered."""
    kept = [add(columns, 0, at) for at in (5.0, 3.0, 9.0)] + [add(columns, 1, 7.0)]
    assert sweep(columns) == {0: [3, 3.0, 0], 1: [1, 7.0, 0]}
    assert len(kept) == len(columns)


def test_sweep_counts_births_between_each_two_times(columns):
    kept = [add(columns, 0, at) for at in (1.0, 2.0, 2.5, 4.0, 6.0)]
    assert sweep(columns, (2.0, 4.0)) == {0: [5, 1.0, 2, 2]}
    assert len(kept) == 5


def test_sweep_drops_finished_and_freed_ones_and_keeps_order(columns):
    first, finished, freed, last = (add(columns, 0, at) for at in (1.0, 2.0, 3.0, 4.0))
    finished.finished = True
    del freed
    sweep(columns)
    assert [reference() for reference in columns.references] == [first, last]
    assert list(columns.created_at) == [1.0, 4.0]
    assert list(columns.addresses) == [id(first), id(last)]
    assert list(columns.serials) == [1, 4]


def test_sweep_pauses_between_slices(columns):
    kept = [add(columns) for _ in range(5)]
    pauses = []
    sweep(columns, slice_size=2, pause=lambda: pauses.append(True))
    assert (len(pauses), len(kept)) == (3, 5)


def test_sweep_broken_off_loses_no_row_and_has_none_twice(columns):
    kept = [add(columns, at=float(at), finished=at % 2 == 0) for at in range(10)]

    pauses = []

    def raise_in_the_second_pause():
        pauses.append(True)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(columns, slice_size=2, pause=raise_in_the_second_pause)
    assert [int(at) for at in columns.created_at] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert {len(column) for column in columns._columns()} == {8}
    sweep(columns)
    assert [int(at) for at in columns.created_at] == [1, 3, 5, 7, 9]
    assert len(kept) == 10


def test_row_of_the_newest_at_an_address(columns):
    task = add(columns)
    assert columns.row_of(task) == 0
    assert columns.serial_of(task) == 1
    assert columns.site_of(task) == 0
    assert columns.row_of(Task()) is None
    assert columns.serial_of(Task()) is None
    assert columns.site_of(Task()) is None


def test_row_of_skips_freed_objects_at_the_same_address(columns):
    task = Task()
    gone = Task()
    columns.add(task, ref(gone), SITES[0], 1.0, None, None)
    columns.add(task, ref(task), SITES[1], 1.0, None, None)
    del gone
    assert columns.row_of(task) == 1
    assert columns.site_at(id(task)) == 1


def test_serials_are_never_used_again(columns):
    add(columns)
    sweep(columns)
    assert len(columns) == 0
    kept = add(columns)
    assert columns.serial_of(kept) == 2
    assert columns.last_serial == 2


def test_site_at_of_a_row_dropped_by_the_last_sweep(columns):
    """A weak reference may be cleared before its task is ended."""
    task = add(columns, 2, finished=True)
    sweep(columns)
    assert columns.site_at(id(task)) == 2
    sweep(columns)
    assert columns.site_at(id(task)) is None


def test_site_at_of_rows_dropped_during_a_collection_stays(columns, state):
    state.is_collecting = True
    task = add(columns, 2, finished=True)
    for _ in range(3):
        sweep(columns)
    assert columns.site_at(id(task)) == 2
    state.is_collecting = False
    sweep(columns)
    assert columns.site_at(id(task)) is None


def test_site_at_of_a_row_added_since_the_last_question(columns):
    first = add(columns, 0)
    assert columns.site_at(id(first)) == 0
    second = add(columns, 1)
    assert columns.site_at(id(second)) == 1


def test_add_that_fails_leaves_no_half_row(columns):
    kept = add(columns)
    columns.sites = array("L", columns.sites)

    class Broken:
        @property
        def number(self):
            raise MemoryError

    task = Task()
    with pytest.raises(MemoryError):
        columns.add(task, ref(task), Broken(), 1.0, None, None)
    assert {len(column) for column in columns._columns()} == {1}
    assert columns.row_of(kept) == 0


def test_sweeps_counts_them(columns):
    sweep(columns)
    sweep(columns)
    assert columns.sweeps == 2
