"""Residents whose successors are started at another line."""

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.ownership.residents import RISES, ResidentMemory
from opentelemetry.instrumentation.concurrency.record.site import Site

AGE_S = 300.0
WINDOW_S = 600.0
LATER_S = WINDOW_S + 2 * AGE_S
LAST_S = LATER_S + 2 * RISES * WINDOW_S


def make_site(number, runs, kind="task"):
    return Site(kind, number, None, -2, f"line_{number}", runs=runs)


def are_residents(first, second, *, left):
    """Return whether the tasks of ``second`` stay, which rise again and again, where ``first`` once had eight.

    Args:
        first: A site whose tasks were old when its first window ended.
        second: A site that comes later.
        left: How many of the first are left.
    """
    memory = ResidentMemory(20, WINDOW_S)
    memory.scan(first, 0.0)
    memory.judge_functions([(first, 8)], AGE_S, AGE_S)
    births = [LATER_S + 2 * WINDOW_S * number for number in range(RISES)]
    memory.scan(second, LATER_S)
    memory.observe(second, births)
    memory.judge_functions([(first, left), (second, RISES)], LAST_S, AGE_S)
    return memory.are_residents(second, RISES, RISES)


def test_residents_successor_of_a_function_at_another_line_stays():
    assert are_residents(make_site(0, "shard"), make_site(1, "shard"), left=8 - RISES)


def test_residents_more_than_were_established_are_no_successors():
    assert not are_residents(make_site(0, "shard"), make_site(1, "shard"), left=9 - RISES)


@pytest.mark.parametrize("other", [make_site(1, "listen"), make_site(0, "shard", "thread")], ids=["function", "kind"])
def test_resident_of_other_function_or_kind_is_not_a_successor(other):
    assert not are_residents(make_site(0, "shard"), other, left=8 - RISES)


def test_residents_sites_of_unknown_functions_share_nothing():
    assert not are_residents(make_site(0, ""), make_site(1, ""), left=8 - RISES)
