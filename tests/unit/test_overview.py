"""The data of the live page, from counts made by hand."""

import sys
import webbrowser

import pytest
from pictured import QUERY, SPAWN, SPAWNED, healthy, leaked, spawned, thread

from opentelemetry.instrumentation.concurrency.agent.answer_shapes import ENDED_BADLY, EXECUTORS, GENERATORS, LIVING
from opentelemetry.instrumentation.concurrency.cli.serve import open_in_browser, page_facts
from opentelemetry.instrumentation.concurrency.record.threads import OWN_SITE
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


def test_functions_left_behind_are_passed_to_the_page():
    generators, coroutines = [{"function": "shop.pages", "count": 30}], [{"function": "shop.audit", "count": 3}]
    found = document(generators_left=generators, never_awaited=coroutines, left_out={"generators_left": 7, "sites": 2})
    assert (found["generators_left"], found["never_awaited"]) == (generators, coroutines)
    assert found["left_out"] == {"generators_left": 7, "sites": 2, "groups": 0}
    assert document()["generators_left"] == [] == document()["never_awaited"]


def test_page_of_an_agent_counts_what_its_lists_left_out():
    stats = {"left_out": {LIVING: 5, ENDED_BADLY: 4, EXECUTORS: 3, GENERATORS: 2}, "generators_left": [{"count": 30}]}
    facts = page_facts(1.0, {}, {**stats, "never_awaited": [{"count": 3}]})
    assert facts.left_out == {"sites": 4, "site_numbers": 5, "executors": 3, "generators_left": 2}
    assert (facts.generators_left, facts.never_awaited) == ([{"count": 30}], [{"count": 3}])


def test_memory_of_a_leak_belongs_to_its_site():
    rows = document(leaked(1), spawned(2), memory={("task", SPAWNED): 5_000})["sites"]
    assert {row["runs"]: row["memory"] for row in rows} == {"": None, "shop.search.ask": 5_000}


def test_selection_of_cycles_holds_deadlocked_tasks_alone():
    chosen = Selection("task", deadlocked=True)
    assert chosen.holds(leaked(1, deadlock=(1, 2))) and not chosen.holds(leaked(3))


def test_document_names_the_site_of_the_packages_threads():
    """The page hides them until they are asked for."""
    assert document()["own_site"] == OWN_SITE


def test_page_of_an_agent_shows_growth_memory_and_rates():
    """As that of the process itself, from its answer to ``stats``."""
    site = {"kind": "task", "function": QUERY.function, "path": QUERY.path, "line": QUERY.line, "created": 70}
    stats = {
        "sites": [
            {
                **site,
                "suspect": True,
                "memory": 900,
                "impact": {"held by": "shop.held"},
                "destroyed": 2,
                "unretrieved": 0,
            }
        ],
        "scan_age_s": 3.5,
    }
    facts = page_facts(5.0, {"process_id": 1, "scan_age_s": None}, stats)
    (row,) = overview(tally([leaked(1)]), facts)["sites"]
    assert (row["created"], row["growing"], row["memory"], row["destroyed"]) == (70, True, 900, 2)
    assert row["impact"] == {"held by": "shop.held"}
    assert facts.process["scan_age_s"] == 3.5


@pytest.mark.parametrize(
    ("variables", "opened"),
    [
        ({"DISPLAY": ":0"}, ["http://127.0.0.1:1/"]),
        ({}, []),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}, []),
    ],
)
def test_browser_is_opened_only_on_a_display_of_this_machine(monkeypatch, variables, opened):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    seen = []
    monkeypatch.setattr(webbrowser, "open", lambda page: seen.append(page) or True)
    assert open_in_browser("http://127.0.0.1:1/") is bool(opened)
    assert seen == opened
