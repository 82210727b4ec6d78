"""The data of the live page, from counts made by hand."""

import pytest
from pictured import QUERY, SPAWN, SPAWNED, healthy, leaked, spawned, thread

from opentelemetry.instrumentation.concurrency.serve.overview import Facts, Selection, overview
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally

GONE = SPAWNED.__class__("shop.jobs.submit", "/app/shop/jobs.py", 9, "shop.jobs.job")


def document(*pictures, **facts):
    usual = {"taken_at": 1.0, "process": {}, "created": {}, "growing": set(), "delays_s": {}}
    return overview(tally(pictures), Facts(**{**usual, **facts}))


def test_row_has_function_and_spawners():
    """Two functions that one line starts are two rows."""
    rows = document(leaked(1), spawned(2), spawned(3))["sites"]
    assert [(row["function"], row["runs"], row["live"]) for row in rows] == [
        ("shop.search.query", "shop.search.ask", 2),
        ("shop.search.query", "", 1),
    ]
    assert rows[0]["via"] == [["shop.util.spawn", "/app/shop/util.py", 9]]


def test_counters_and_growth_are_by_line_and_function():
    """Not to every function of the line."""
    created = {("task", QUERY): 10, ("task", SPAWNED): 2000}
    rows = document(leaked(1), spawned(2), created=created, growing={("task", SPAWNED)})["sites"]
    assert {row["runs"]: (row["created"], row["growing"]) for row in rows} == {
        "": (10, False),
        "shop.search.ask": (2000, True),
    }


def test_site_with_bad_endings_and_none_live_has_a_row():
    """Behind all that have live ones; the groups still find their rows."""
    found = document(healthy(1), created={("task", GONE): 40}, ended_badly={("task", GONE): (1, 30)})
    assert [(row["live"], row["destroyed"], row["unretrieved"]) for row in found["sites"]] == [(1, 0, 0), (0, 1, 30)]
    assert found["sites"][1]["created"] == 40
    assert [found["sites"][group["site"]]["function"] for group in found["groups"]] == ["shop.search.Worker.start"]


def test_group_says_whose_creation_stack_it_has():
    """The page shows another task's as such."""
    groups = document(spawned(1), spawned(2, wait_reason="sleep", creation_sampled=True))["groups"]
    assert {group["wait"]: group["creation_sampled"] for group in groups} == {"queue.put": False, "sleep": True}


@pytest.mark.parametrize(
    ("more", "holds"),
    [
        ({}, True),
        ({"path": "/app/shop/search.py"}, True),
        ({"path": "/elsewhere"}, False),
        ({"runs": "shop.search.ask"}, True),
        ({"runs": ""}, False),
        ({"line": 32}, False),
    ],
)
def test_selection_matches_the_filters(more, holds):
    """A page of an earlier version does not ask what runs."""
    asked = Selection(**{"kind": "task", "function": "shop.search.query", "line": 31, **more})
    assert asked.holds(spawned(1)) is holds


def test_spawner_named_first_by_facts_is_kept():
    """Sites are equal whatever their spawners; the row shows those of the live ones."""
    bare = SPAWNED.__class__(SPAWNED.function, SPAWNED.path, SPAWNED.line, SPAWNED.runs)
    (row,) = document(spawned(1), created={("task", bare): 1}, ended_badly={("task", bare): (1, 0)})["sites"]
    assert row["via"] == [[SPAWN.function, SPAWN.path, SPAWN.line]] and row["destroyed"] == 1


def test_totals_leave_out_own_threads_as_live_counts_does():
    """Every view of one process gives the same number of live threads."""
    own = GONE.__class__("opentelemetry.instrumentation.concurrency", "", 0)
    found = document(thread(1), thread(2, site=own), created={("thread", own): 5, ("thread", GONE): 1})
    assert (found["totals"]["threads"], found["totals"]["threads_created"]) == (1, 1)
    assert len(found["sites"]) == 2


def test_executors_are_passed_to_the_page():
    rows = [{"function": "shop.pool", "queued": 3}]
    assert document(executors=rows)["executors"] == rows
    assert document()["executors"] == []


def test_memory_of_a_leak_belongs_to_its_site():
    rows = document(leaked(1), spawned(2), memory={("task", SPAWNED): 5_000})["sites"]
    assert {row["runs"]: row["memory"] for row in rows} == {"": None, "shop.search.ask": 5_000}
