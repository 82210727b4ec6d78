"""Spawning lines with several sites: their sums, their callers, and the spawner whose callers all leak."""

import pytest

from opentelemetry.instrumentation.concurrency.census.scan import Tally
from opentelemetry.instrumentation.concurrency.diagnose.growth.spawning_lines import (
    SpawningSites,
    accuse_spawners,
    callers_of,
    total_of,
)
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Site, SpawningLine

KEEP = CodeLine("shop.keep", "/srv/keep.py", 1)
OUTER = CodeLine("shop.outer", "/srv/outer.py", 2)
LIBRARY = CodeLine("pool.start", "/usr/lib/python3/site-packages/pool.py", 3)
SPAWNING = SpawningLine(KEEP, "shop.job")


def site_at(function, *, line=1, spawning=None, via=(), created=1):
    own = CodeLine(function, "/srv/shop.py", line)
    made = Site("task", line, None, -2, "shop", own=own, runs="shop.job", via=via, spawning=spawning)
    made.samples_until_stack -= created
    return made


def tally(site, live=1, older=()):
    return Tally(site, live, 0.0, older)


def test_shared_line_of_several_sites_stays_shared():
    """Its growth is measured further when the tasks of all sites but one have ended."""
    sites = SpawningSites()
    first, second = (tally(site_at(name, spawning=SPAWNING)) for name in ("first", "second"))
    assert sites.shared([first]) == {}
    assert sites.shared([first, second]) == {SPAWNING: [first, second]}
    assert sites.shared([second, tally(site_at("other"))]) == {SPAWNING: [second]}


def test_site_of_spawning_line_is_made_once_with_its_own_number():
    sites, other = SpawningSites(), SpawningLine(OUTER, "shop.job")
    made = sites.site_of(SPAWNING, site_at("first", spawning=SPAWNING))
    assert (made.function, made.path, made.line, made.runs, made.kind) == (
        KEEP.function,
        KEEP.path,
        KEEP.line,
        "shop.job",
        "task",
    )
    assert made.spawning is SPAWNING
    assert sites.site_of(SPAWNING, site_at("second", spawning=SPAWNING)) is made
    assert (made.number, sites.site_of(other, site_at("third")).number) == (-1, -2)


def test_total_of_is_the_sum_per_age():
    site = site_at("first")
    assert total_of([tally(site, older=(3, 1))]) == (3, 1)
    assert total_of([tally(site, older=(3, 1)), tally(site, older=(4, 0))]) == (7, 1)


def test_callers_of_are_counted_per_line_highest_first():
    few, many, again = site_at("few", line=1), site_at("many", line=2), site_at("few", line=1)
    found = callers_of([tally(few, 2), tally(many, 9), tally(again, 3)])
    assert [(line.function, live) for line, live in found] == [("many", 9), ("few", 5)]


def test_callers_of_factory_are_the_lines_that_call_it():
    """A factory creates at its own spawning line, the same for all its callers."""
    factory = site_at("factory")
    factory.caller = OUTER
    spawned = site_at("handler", spawning=SPAWNING)
    spawned.caller = OUTER
    assert callers_of([tally(factory, 2), tally(spawned, 1)]) == (
        (OUTER, 2),
        (CodeLine("handler", "/srv/shop.py", 1), 1),
    )


def accused(sites, *, orphans=None, verdict="orphaned"):
    """Return the spawner accused for the group of the first site."""
    group = Group(sites[0], verdict, 1, "", 0.0)
    accuse_spawners([group], sites, sites if orphans is None else orphans)
    return group.guilty_spawner


def callers(count, via=(KEEP,), **options):
    return [site_at(f"caller{number}", line=number, via=via, **options) for number in range(count)]


def test_accuse_spawners_needs_three_leaking_callers():
    assert accused(callers(3)) == KEEP
    assert accused(callers(2)) is None


@pytest.mark.parametrize(("created", "expected"), [(0, KEEP), (1, None)])
def test_accuse_spawners_caller_without_leak_acquits(created, expected):
    """Unless that caller has not created anything."""
    leaking, healthy = callers(3), site_at("healthy", line=9, via=(KEEP,), created=created)
    assert accused([*leaking, healthy], orphans=leaking) == expected


def test_accuse_spawners_leak_of_another_function_accuses_too():
    leaking = callers(3)
    same_line = site_at("caller0", line=0, via=(KEEP,))
    assert accused([*leaking, same_line], orphans=leaking) == KEEP


def test_accuse_spawners_never_accuses_a_library():
    assert accused(callers(3, via=(LIBRARY,))) is None


def test_accuse_spawners_chooses_the_outermost_of_equal_ones():
    """Those inside it only serve it, unless more callers use them."""
    sites = callers(3, via=(KEEP, OUTER))
    assert accused(sites) == OUTER
    assert accused([*sites, site_at("other", line=9, via=(KEEP,))]) == KEEP


@pytest.mark.parametrize(("verdict", "expected"), [("unwakeable", KEEP), ("growing", None), ("destroyed", None)])
def test_accuse_spawners_only_for_groups_of_orphans(verdict, expected):
    assert accused(callers(3), verdict=verdict) == expected
