"""Which candidates of a site are residents: by how often their number rises, and not by other sites."""

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.ownership.residents import (
    CONNECTION_RISES,
    REMEMBERED_WINDOWS,
    RISES,
    ResidentMemory,
)
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Site, SpawningLine

WINDOW = 60.0
LIMIT = 20


def make_site(name, number=0):
    line = CodeLine(f"shop.{name}", "shop.py", number + 1)
    return Site("task", number, None, -2, "shop", own=line, runs=f"shop.{name}.work", spawning=SpawningLine(line, ""))


@pytest.fixture
def memory():
    return ResidentMemory(LIMIT, WINDOW)


def resident_after(memory, site, *births):
    memory.observe(site, births)
    return memory.are_residents(site, len(births), len(births))


def test_residents_pool_filled_in_a_late_rush_stays(memory):
    site = make_site("open")
    assert resident_after(memory, site, 5.0)
    assert resident_after(memory, site, 5.0, 4000.0, 4001.0, 4002.0, 4003.0)


def test_residents_site_recurs_at_its_last_allowed_rise(memory):
    site, births = make_site("leak"), []
    for number in range(RISES):
        births.append(number * 10 * WINDOW)
        assert resident_after(memory, site, *births) == (number < RISES - 1)


def test_residents_births_within_one_window_are_one_rise(memory):
    site = make_site("rush")
    for count in range(1, LIMIT + 1):
        assert resident_after(memory, site, *(number * WINDOW / LIMIT for number in range(count)))


def test_residents_more_than_the_limit_are_none(memory):
    assert not resident_after(memory, make_site("crowd"), *([0.0] * (LIMIT + 1)))


def test_residents_replaced_ones_lift_no_level(memory):
    """Eight shards, one of which is started again every ten minutes."""
    site, births = make_site("shard"), [0.0] * 8
    for number in range(100):
        births = [*births[1:], number * 10 * WINDOW]
        assert resident_after(memory, site, *births)


def test_residents_rare_rises_are_forgotten(memory):
    site, births = make_site("scaled"), []
    for number in range(LIMIT):
        births.append(number * REMEMBERED_WINDOWS * WINDOW / 2)
        assert resident_after(memory, site, *births)


def test_residents_leak_that_ended_makes_room_again(memory):
    site = make_site("leak")
    births = [number * 10 * WINDOW for number in range(RISES)]
    assert not resident_after(memory, site, *births)
    assert resident_after(memory, site)
    assert resident_after(memory, site, 9000.0)


def test_residents_leak_next_door_changes_nothing(memory):
    pool, leak = make_site("open"), make_site("leak", 1)
    births = [number * 10 * WINDOW for number in range(RISES)]
    assert not resident_after(memory, leak, *births)
    assert resident_after(memory, pool, 0.0, 4000.0)


def test_residents_limit_zero_leaves_none():
    assert not resident_after(ResidentMemory(0, WINDOW), make_site("open"), 0.0)


def test_residents_unused_connections_need_many_rises(memory):
    site = make_site("connect")
    for number in range(CONNECTION_RISES):
        births = [rise * WINDOW * 2 for rise in range(number + 1) for _ in range(3)]
        assert memory.recur_as_connections(site, births) == (number == CONNECTION_RISES - 1)


def test_residents_few_unused_connections_are_none_leaked(memory):
    site = make_site("connect")
    births = [number * WINDOW * 2 for number in range(LIMIT)]
    assert not memory.recur_as_connections(site, births)


def test_residents_to_be_are_judged_by_their_births(memory):
    site = make_site("start")
    assert memory.would_be_residents(site, [0.0, 100.0])
    assert not memory.would_be_residents(site, [0.0, 100.0], 2)
    assert not memory.would_be_residents(site, [number * 100.0 for number in range(RISES)])


def test_residents_of_main_came_at_once_and_long_ago(memory):
    births = [number * 1.0 for number in range(40)]
    assert memory.filled_once(births, 39.0 + WINDOW)
    assert not memory.filled_once(births, 39.0 + WINDOW / 2)
    assert not memory.filled_once([*births, 2 * WINDOW], 10 * WINDOW)
    assert not ResidentMemory(0, WINDOW).filled_once(births, 10 * WINDOW)


def test_residents_to_be_are_none_above_the_limit_or_without_one():
    site = make_site("shop.listen")
    births = [100.0 * number for number in range(3)]
    assert ResidentMemory(3, WINDOW).would_be_residents(site, births) is True
    assert ResidentMemory(2, WINDOW).would_be_residents(site, births) is False
    assert ResidentMemory(0, WINDOW).would_be_residents(site, []) is False
