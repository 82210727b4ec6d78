"""Pauses in long work."""

import time

import pytest

from opentelemetry.instrumentation.concurrency.census import pace
from opentelemetry.instrumentation.concurrency.census.pace import SLICE, in_slices, paced, rows_marked


@pytest.fixture
def pauses():
    return []


@pytest.mark.parametrize(("items", "expected"), [(0, 0), (SLICE - 1, 0), (SLICE, 1), (3 * SLICE + 1, 3)])
def test_paced_pauses_after_each_slice(pauses, items, expected):
    assert list(paced(range(items), lambda: pauses.append(True))) == list(range(items))
    assert len(pauses) == expected


def test_paced_pauses_between_items_not_before_the_first(pauses):
    working = paced(range(SLICE + 1), lambda: pauses.append(True))
    for _ in range(SLICE):
        next(working)
    assert pauses == []
    next(working)
    assert pauses == [True]


def test_in_slices_pauses_when_the_time_is_over(pauses, monkeypatch):
    """Each item takes 0.4 s, a slice is one second; a pause begins a new slice."""
    now = iter(0.4 * step for step in range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    seen = [len(pauses) for _ in in_slices(range(8), lambda: pauses.append(True), 1.0)]
    assert seen == [0, 0, 0, 1, 1, 1, 2, 2]


def test_in_slices_of_quick_items_makes_no_pause(pauses):
    assert list(in_slices([1, 2], lambda: pauses.append(True), 60.0)) == [1, 2]
    assert pauses == []
    assert pace.SLICE_S < 0.005


def test_rows_marked_are_all_of_them_in_order():
    assert list(rows_marked(bytearray((1, 1, 0, 1, 2, 1)), 1)) == [0, 1, 3, 5]
    assert list(rows_marked(bytearray(3), 1)) == []
