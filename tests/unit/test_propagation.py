"""Who wakes whom, in closures made by hand: positions of tasks come first, then those of other objects."""

from array import array

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Accounts
from opentelemetry.instrumentation.concurrency.diagnose.proof.propagation import Propagation, woken_by_collector


def accounts_of(edges, waiters, held=()):
    """Return accounts: what each position refers to, what each task waits for, and which positions others hold."""
    flat, starts = array("l"), array("l", [0])
    for place in range(len(edges)):
        flat.extend(edges[place])
        starts.append(len(flat))
    return Accounts(bytearray(place in held for place in range(len(edges))), [0] * len(edges), flat, starts, waiters)


def awake_after(edges, waiters, spread_from=(), *, chains=None, hosts=None):
    chains = chains or [[] for _ in waiters]
    exempt = set(range(len(waiters))).union(*chains)
    live = Propagation(accounts_of(edges, waiters), exempt, chains, hosts or {})
    live.spread(spread_from)
    return list(live.is_awake)


# One task (0) that waits for a future (1), which refers back to it.
ONE = [[1], [0]]


def test_task_whose_waiter_is_unreached_stays_asleep():
    assert awake_after(ONE, [1]) == [0]


def test_task_whose_waiter_is_reached_wakes():
    assert awake_after([*ONE, [1]], [1], [2]) == [1]


@pytest.mark.parametrize("waiter", [-1, -2])
def test_task_without_a_waiter_in_the_closure_is_awake(waiter):
    assert awake_after(ONE, [waiter]) == [1]


def test_reference_to_the_task_itself_wakes_nothing():
    """A set of background tasks can cancel it, never wake it."""
    assert awake_after([*ONE, [0]], [1], [2]) == [0]


def test_awake_task_wakes_tasks_whose_waiter_it_holds():
    """Task 0 runs and holds the future (2) that task 1 waits for."""
    assert awake_after([[2], [2], [1]], [-1, 2]) == [1, 1]


def test_coroutine_of_awake_task_counts_with_its_referents():
    """The future (3) is a local of task 0's coroutine (2); another holder of the coroutine wakes nothing."""
    edges = [[2], [3], [3], [1], [2]]
    assert awake_after(edges, [-1, 3], chains=[[2], []]) == [1, 1]
    assert awake_after(edges, [3, 3], [4], chains=[[2], []]) == [0, 0]


def test_task_that_awaits_an_awake_task_wakes():
    """Task 1 waits for task 0, task 2 for task 1."""
    assert awake_after([[], [0], [1]], [-1, 0, 1]) == [1, 1, 1]
    assert awake_after([[3], [0], [1], []], [3, 0, 1]) == [0, 0, 0]


def test_member_of_a_group_wakes_with_its_host():
    """Host 0 is as awake as its waiter (2); member 1 waits for a future (3) that nobody reaches."""
    edges = [[2], [3], [], [], [2]]
    assert awake_after(edges, [2, 3], [4], hosts={1: [0]}) == [1, 1]
    assert awake_after(edges, [2, 3], [4]) == [1, 0]
    assert awake_after(edges, [2, 3], hosts={1: [0]}) == [0, 0]
    assert awake_after(edges, [2, 3], hosts={1: [-1]}) == [0, 1]


def test_wake_marks_the_referents_of_a_task_live():
    edges = [[2], [2], [1]]
    live = Propagation(accounts_of(edges, [2, 2]), {0, 1}, [[], []], {})
    live.wake([0])
    assert list(live.is_awake) == [1, 1]
    assert list(live.places()) == [2]


def test_places_exclude_exempt_positions():
    live = Propagation(accounts_of([[1], [0], [1]], [1]), {0}, [[]], {})
    live.spread([2])
    assert list(live.places()) == [1, 2]


def test_woken_by_collector_task_reached_by_garbage():
    """Task 0 is garbage; its coroutine holds the future (2) that task 1, which is held, waits for."""
    edges = [[2], [2], []]
    assert woken_by_collector(accounts_of(edges, [-1, 2], held=[1]), [], 2) == [1]


def test_woken_by_collector_task_apart_from_garbage_is_not():
    edges = [[2], [3], [0], [1]]
    assert woken_by_collector(accounts_of(edges, [2, 3], held=[1]), [], 2) == []


def test_woken_by_collector_garbage_reached_by_other_garbage():
    """Task 0 and its future (3) are behind task 1; tasks 1 and 2 reach each other, so they are collected together."""
    edges = [[3], [0, 2, 4], [1, 5], [0], [1], [2]]
    assert woken_by_collector(accounts_of(edges, [3, 4, 5]), [], 3) == [0]


def test_woken_by_collector_without_garbage_is_empty():
    edges = [[2], [2], []]
    assert woken_by_collector(accounts_of(edges, [2, 2], held=[0, 1]), [], 2) == []
    assert woken_by_collector(accounts_of([*edges, [0]], [2, 2], held=[1, 3]), [], 2) == []
    assert woken_by_collector(accounts_of([*edges, [0]], [2, 2], held=[1]), [3], 2) == []
