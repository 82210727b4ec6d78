"""What a task runs and through which spawners it was started, wherever a command names a site; filters by site."""

import argparse
import io
import sys
from dataclasses import replace

import pytest
from pictured import SPAWNED, healthy, leaked, snapshot, spawned, thread

from opentelemetry.instrumentation.concurrency.cli import stats
from opentelemetry.instrumentation.concurrency.cli.cancel import _group_lines
from opentelemetry.instrumentation.concurrency.cli.filters import VERDICTS, holds, wait_reason
from opentelemetry.instrumentation.concurrency.cli.leak_blocks import Form
from opentelemetry.instrumentation.concurrency.cli.leaks import by_site, chosen_leaks, leak_lines
from opentelemetry.instrumentation.concurrency.cli.site_cells import SITE_COLUMNS, site_cells, site_of
from opentelemetry.instrumentation.concurrency.cli.sources import Taken
from opentelemetry.instrumentation.concurrency.cli.tables import number, table
from opentelemetry.instrumentation.concurrency.cli.top_rows import Rows
from opentelemetry.instrumentation.concurrency.cli.tree import tree_lines
from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import WAIT_REASONS
from opentelemetry.instrumentation.concurrency.diagnose.verdict.impact import NOT_MEASURED
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo
from opentelemetry.instrumentation.concurrency.snapshot.values import CreationSite

SPAWN_FACTS = {"function": "shop.util.spawn", "path": "/app/shop/util.py", "line": 9}
PLACE = {"kind": "task", "function": "shop.search.query", "path": "/app/shop/search.py", "line": 31}
SITE_FACTS = {**PLACE, "runs": "shop.search.ask", "via": [SPAWN_FACTS]}
FETCH = {"function": "shop.db.fetch", "path": "/app/shop/db.py", "line": 7}
LIBRARY = "/usr/lib/python3.12/site-packages/starlette/routing.py"


class Terminal(io.StringIO):
    """Output that says it is a terminal."""

    def isatty(self):
        return True


def taken(*tasks, threads=()):
    return Taken(snapshot(tasks, threads), ProcessInfo(4711))


def leaks_of(*tasks, facts=None, full=False, width=0, **options):
    return "".join(leak_lines(taken(*tasks), facts or {}, Form(full, width), **options))


def growing(**facts):
    usual = {
        **SITE_FACTS,
        "count": 500,
        "reason": "it grows",
        "waits": [
            {
                "at": {"function": "shop.db.fetch", "path": "/app/shop/db.py", "line": 7},
                "wait_reason": "sleep",
                "count": 480,
            },
            {"at": None, "wait_reason": "unknown", "count": 3},
        ],
        "wait_reason": "sleep",
        "stalled_s": None,
        "stack": [FETCH],
        "creation_stack": [
            {"function": "shop.app.handle", "path": "/app/shop/app.py", "line": 12},
            {"function": "shop.search.query", "path": "/app/shop/search.py", "line": 31},
            SPAWN_FACTS,
        ],
        "creation_sampled": True,
    }
    return {**usual, **facts}


class TestLeaks:
    """The blocks of ``leaks``."""

    def test_block_names_line_function_spawner_and_callers(self):
        """The whole block of a task that a helper started."""
        assert leaks_of(spawned(1), spawned(2, age_s=900.0), facts={"examined": 5}) == (
            "2 leaked tasks at 1 site (5 suspended tasks checked).\n"
            "\n"
            "2 tasks unwakeable: created by shop.search.query /app/shop/search.py:31\n"
            "  runs shop.search.ask\n"
            "  through shop.util.spawn  /app/shop/util.py:9\n"
            "  the oldest is 15 minutes old: its creator ended 12 minutes ago\n"
            "  it waits in [queue.put, 12 minutes]\n"
            "    asyncio.queues.Queue.put  /python/asyncio/queues.py:140\n"
            "    shop.search.ask  /app/shop/search.py:24\n"
            "  creation stack\n"
            "    shop.util.spawn  /app/shop/util.py:9\n"
            "    shop.search.query  /app/shop/search.py:31\n"
            "    shop.app.handle  /app/shop/app.py:12\n"
            "\n"
        )

    @pytest.mark.parametrize(
        ("younger_sampled", "heading"),
        [(False, "creation stack of one of them"), (True, "stack of another task created at this line")],
    )
    def test_stack_of_a_member_is_preferred_and_others_are_marked(self, younger_sampled, heading):
        """The oldest has none of its own."""
        text = leaks_of(spawned(1, age_s=900.0, creation_sampled=True), spawned(2, creation_sampled=younger_sampled))
        assert f"  {heading}\n" in text

    def test_creation_stack_without_callers_is_left_out(self):
        """Line and spawner stand in the first lines already."""
        assert "creation stack" not in leaks_of(spawned(1, creation_stack=spawned().creation_stack[1:]))

    def test_library_frames_are_hidden_until_full(self):
        """A line at the end says so."""
        stack = (
            CodeLine("shop.main", "/app/main.py", 1),
            *(CodeLine(f"starlette.routing.{name}", LIBRARY, 5) for name in "abcd"),
            CodeLine("shop.handle", "/app/shop/app.py", 3),
        )
        text = leaks_of(spawned(1, stack=stack))
        assert "    shop.main  /app/main.py:1\n" in text and "starlette" not in text
        assert text.endswith("\nFrames of libraries are hidden; --full shows them.\n")
        full = leaks_of(spawned(1, stack=stack), full=True)
        assert "starlette.routing.a" in full and "--full" not in full

    def test_stack_of_libraries_alone_shows_its_innermost_frame(self):
        stack = tuple(CodeLine(f"starlette.routing.{name}", LIBRARY, 5) for name in "abcd")
        text = leaks_of(spawned(1, stack=stack))
        assert "    starlette.routing.d  " in text and "starlette.routing.c" not in text

    def test_narrow_terminal_shows_every_file_and_line(self):
        """No line is wider than the terminal; long names and paths are cut, sentences are wrapped."""
        deep = "/srv/company/src/company_checkout/handlers/orders/fulfilment.py"
        site = replace(SPAWNED, function="company_checkout.handlers.orders.fulfilment.fulfil_order", path=deep, line=13)
        stack = (CodeLine("company_checkout.handlers.orders.fulfilment.reserve_stock_at_warehouse", deep, 5),)
        reason = "what started it has ended, and nothing that still runs holds what it waits for"
        for width in (60, 80, 100):
            text = leaks_of(spawned(1, site=site, stack=stack, creation_stack=(), reason=reason), width=width)
            assert max(map(len, text.splitlines())) <= width
            assert "/fulfilment.py:13\n" in text and "/fulfilment.py:5\n" in text
            assert "fulfil_order" in text and "reserve_stock_at_warehouse" in text
            assert reason in " ".join(text.split())

    def test_sites_are_beside_each_other_the_largest_first(self):
        other = replace(SPAWNED, line=99)
        groups = [[spawned(1, site=SPAWNED)] * 5, [spawned(2, site=other)] * 4, [spawned(3, site=other)] * 3]
        assert [group[0].serial for group in by_site(groups)] == [2, 3, 1]

    def test_growing_site_is_shown_in_the_same_detail(self):
        """The whole block: site, evidence, where its old tasks wait, one of them, its creation."""
        assert leaks_of(facts={"growing": [growing()]}) == (
            "1 growing site.\n"
            "\n"
            "500 tasks growing: created by shop.search.query /app/shop/search.py:31\n"
            "  runs shop.search.ask\n"
            "  through shop.util.spawn  /app/shop/util.py:9\n"
            "  it grows\n"
            "  where its old tasks wait\n"
            "    480 at shop.db.fetch /app/shop/db.py:7 [sleep]\n"
            "    3 at an unknown place [unknown]\n"
            "  one of the largest group waits in [sleep]\n"
            "    shop.db.fetch  /app/shop/db.py:7\n"
            "  stack of another task created at this line\n"
            "    shop.util.spawn  /app/shop/util.py:9\n"
            "    shop.search.query  /app/shop/search.py:31\n"
            "    shop.app.handle  /app/shop/app.py:12\n"
            "\n"
        )

    def test_growing_site_of_an_earlier_version_is_its_line(self):
        """Such an agent says no more."""
        text = leaks_of(facts={"growing": [{**PLACE, "count": 500, "reason": "it grows"}]})
        assert text.endswith(
            "\n\n500 tasks growing: created by shop.search.query /app/shop/search.py:31\n  it grows\n\n"
        )

    def test_site_with_bad_endings_is_listed_but_not_a_leak(self):
        """Although none of its tasks is live."""
        facts = {"ended_badly": [{**SITE_FACTS, "destroyed": 1, "unretrieved": 30, "created": 40}]}
        assert leaks_of(facts=facts) == (
            "No leaks.\n"
            "\n"
            "1 task destroyed while pending, 30 tasks failed, exception never retrieved: "
            "created by shop.search.query /app/shop/search.py:31\n"
            "  runs shop.search.ask\n"
            "  through shop.util.spawn  /app/shop/util.py:9\n"
            "  of 40 tasks created there\n"
            "\n"
        )

    def test_summary_counts_tasks_threads_and_sites(self):
        """Two groups of one site are one site."""
        found = taken(leaked(1), leaked(2, wait_reason="sleep"), threads=[thread(1, verdict="orphaned")])
        assert "".join(leak_lines(found, {"growing": [growing()]})).startswith(
            "2 leaked tasks at 1 site, 1 leaked thread at 1 site, 1 growing site.\n"
        )


IMPACT = {**SITE_FACTS, "verdict": "orphaned", "memory": 40_200_000, "memory_text": "40.2 MB", "memory_note": ""}


class TestImpact:
    """The memory of a leak in ``leaks``."""

    def test_block_says_what_the_leak_holds(self):
        facts = {"impacts": [{**IMPACT, "memory_note": "estimated from 2 of 3 tasks"}]}
        text = leaks_of(spawned(1, verdict="orphaned"), facts=facts)
        assert "  memory that only this leak holds: 40.2 MB (estimated from 2 of 3 tasks)\n" in text
        assert "memory" not in leaks_of(spawned(1, verdict="unwakeable"), facts=facts)

    def test_growing_block_says_what_the_leak_holds(self):
        facts = {**SITE_FACTS, "count": 3, "reason": "It grows."}
        text = leaks_of(facts={"growing": [facts], "impacts": [{**IMPACT, "verdict": "growing"}]})
        assert "  memory that only this leak holds: 40.2 MB\n" in text

    def test_leaks_with_most_memory_come_first_on_request(self):
        facts = {"impacts": [IMPACT]}
        tasks = [healthy(2, verdict="orphaned"), healthy(3, verdict="orphaned"), spawned(1, verdict="orphaned")]
        assert "\n\n2 tasks orphaned" in leaks_of(*tasks, facts=facts)
        assert ".\n\n1 task orphaned" in leaks_of(*tasks, facts=facts, by_memory=True)

    def test_interpreter_that_cannot_measure_is_said(self):
        text = leaks_of(spawned(1, verdict="orphaned"), facts={"memory_note": NOT_MEASURED})
        assert f"\n{NOT_MEASURED}.\n" in text
        assert NOT_MEASURED not in leaks_of(facts={"memory_note": NOT_MEASURED})


class TestFilters:
    """``--site``, ``--wait`` and ``--verdict``."""

    def arguments(self, **chosen):
        return argparse.Namespace(**{"site": None, "wait": None, "verdict": None, **chosen})

    @pytest.mark.parametrize(
        ("glob", "matches"),
        [
            ("shop.search.query", True),
            ("shop.search.ask", True),
            ("*.ask", True),
            ("/app/shop/search.py", True),
            ("*/search.py:31", True),
            ("*/search.py:3", False),
            ("search.py:31", True),
            ("shop/search.py", True),
            ("shop/search.py:3?", True),
            ("earch.py", False),
            ("shop.util.spawn", False),
            ("query", False),
        ],
    )
    def test_site_matches_creating_line_or_started_function(self, glob, matches):
        """Not the spawner, which all tasks share."""
        assert SPAWNED.matches(glob) is matches
        assert holds(self.arguments(site=glob), spawned()) is matches

    def test_star_does_not_match_an_unknown_started_function(self):
        """An empty name is none."""
        assert not CreationSite("a", "", 0).matches("")

    @pytest.mark.parametrize("glob", [*sorted(WAIT_REASONS), "io.*", "*", "queue.?et"])
    def test_wait_reason_that_exists_is_accepted(self, glob):
        """Each by name, and globs."""
        assert wait_reason(glob) == glob

    @pytest.mark.parametrize("glob", ["", "io", "IO.READ", "queue"])
    def test_unknown_wait_reason_is_an_error_with_the_valid_ones(self, glob):
        """All of them."""
        with pytest.raises(argparse.ArgumentTypeError) as raised:
            wait_reason(glob)
        assert all(reason in str(raised.value) for reason in WAIT_REASONS)

    @pytest.mark.parametrize("verdict", VERDICTS)
    def test_verdict_chooses_among_pictures(self, verdict):
        """A healthy task has none."""
        assert holds(self.arguments(verdict=verdict), leaked()) is (verdict != "orphaned")
        assert not holds(self.arguments(verdict=verdict), healthy())

    @pytest.mark.parametrize(
        ("chosen", "left"),
        [
            ({}, (2, 1, 1)),
            ({"site": "shop.search.ask"}, (1, 1, 1)),
            ({"site": "nothing"}, (0, 0, 0)),
            ({"wait": "sleep"}, (0, 1, 0)),
            ({"wait": "queue.put"}, (2, 0, 0)),
            ({"verdict": "growing"}, (0, 1, 0)),
            ({"verdict": "unwakeable"}, (2, 0, 0)),
            ({"verdict": "destroyed"}, (0, 0, 1)),
        ],
    )
    def test_filters_of_leaks_apply_to_every_part_of_the_answer(self, chosen, left):
        """Leaked tasks, growing sites, and sites whose tasks ended badly."""
        facts = {
            "growing": [growing()],
            "ended_badly": [{**SITE_FACTS, "destroyed": 1, "unretrieved": 30, "created": 40}],
        }
        answer, rest = chosen_leaks(self.arguments(**chosen), taken(leaked(1), spawned(2)), facts)
        assert (len(answer.snapshot.tasks), len(rest["growing"]), len(rest["ended_badly"])) == left


class TestTables:
    """Columns of sites."""

    def test_site_is_four_cells_with_the_creating_line_first(self):
        """What an agent says and what a snapshot holds are the same."""
        cells = ("/app/shop/search.py:31", "shop.search.query", "shop.search.ask", "shop.util.spawn:9")
        assert site_cells(site_of(SITE_FACTS)) == site_cells(SPAWNED) == cells
        assert site_cells(site_of({**PLACE, "path": "", "line": 0})) == ("shop.search.query", "", "", "")

    def test_narrow_terminal_keeps_file_and_line(self, monkeypatch):
        """Columns are dropped by rank before the path is cut; ``wide`` keeps all of it."""
        monkeypatch.setenv("COLUMNS", "40")
        monkeypatch.setattr(sys, "stdout", Terminal())
        row = ("1", "/srv/company/src/shop/search.py:31", "x" * 60 + ".query", "shop.search.ask", "")
        heading, line = table((number("LIVE"), *SITE_COLUMNS), [row], wide=False, with_headings=True)
        assert heading.split() == ["LIVE", "SITE"] and len(line) <= 40 + len("\n")
        assert line.endswith("shop/search.py:31\n")
        (whole,) = table((number("LIVE"), *SITE_COLUMNS), [row], wide=True, with_headings=False)
        assert "x" * 60 in whole and "shop.search.ask" in whole

    def test_stats_lists_sites_with_bad_endings_and_none_live(self):
        """In a table of their own; the first one shows the living."""
        usual = {"live": 0, "orphans": 0, "created_per_s": 0.0, "oldest_s": 0.0, "created": 40}
        sites = [{**usual, **SITE_FACTS, "destroyed": 0, "unretrieved": 30}, {**usual, **PLACE, "live": 7}]
        arguments = argparse.Namespace(top=10, output="table", no_headers=False, sort="live")
        living, _, dead = "".join(stats._tables(arguments, {"sites": sites})).partition("\n\n")
        assert living.splitlines()[1].split()[0] == "7" and "shop.search.ask" not in living
        assert dead.splitlines()[2].split() == [
            "0",
            "30",
            "40",
            "/app/shop/search.py:31",
            "shop.search.query",
            "shop.search.ask",
            "shop.util.spawn:9",
        ]

    def test_stats_executors_show_queue_and_oldest_call(self):
        use = {"executors": 1, "idle": 0, "busy": 4, "limit": 4, "queued": 298, "oldest_queued_s": 61.0}
        rest = {**use, "busy": 0, "queued": 0, "oldest_queued_s": 0.0}
        facts = {"executors": [{**use, **SITE_FACTS}, {**rest, **PLACE}]}
        text = "".join(stats._tables(argparse.Namespace(top=10, output="table", no_headers=False, sort="live"), facts))
        heading, full, idle = text.partition("executors:\n")[2].splitlines()
        assert heading.split()[:3] == ["BUSY", "LIMIT", "QUEUED"]
        assert full.split()[:5] == ["4", "4", "298", "61s", "1"] and "/app/shop/search.py:31" in full
        assert idle.split()[:4] == ["0", "4", "0", "-"]

    def test_stats_memory_is_a_column_once_measured(self):
        """Also the order, on request."""
        usual = {**PLACE, "live": 1, "orphans": 1, "created_per_s": 0.0, "oldest_s": 0.0, "created": 1}
        sites = [{**usual, "live": 9, "memory": None}, {**usual, "memory": 40_200_000}]
        arguments = argparse.Namespace(top=10, output="table", no_headers=True, sort="live")
        rows = [line.split()[:3] for line in "".join(stats._tables(arguments, {"sites": sites})).splitlines()]
        assert rows == [["-", "9", "1"], ["40.2", "MB", "1"]]
        arguments.sort = "memory"
        assert "".join(stats._tables(arguments, {"sites": sites})).split()[:2] == ["40.2", "MB"]

    def test_top_distinguishes_functions_of_one_line(self):
        """A process with an earlier version says less of each."""
        site = {"live": 1, "oldest_s": 1.0, "orphans": 0, "unwakeable": 0, "suspect": False, "created": 10}
        rows = Rows()
        for created, now in ((10, 100.0), (30, 110.0)):
            both = [{**site, **PLACE}, {**site, **SITE_FACTS, "created": created, "destroyed": 2, "unretrieved": 0}]
            rows.take({"sites": both}, now=now)
        assert {shown["runs"]: cells[2] for shown, cells in rows.shown()} == {"": "0", "shop.search.ask": "2"}
        rows.wanted = "SEARCH.ASK"
        ((_, cells),) = rows.shown()
        at, created_by, runs, through = site_cells(SPAWNED)
        assert cells[4:] == (at, created_by, "-", "task", runs, through, "2", "-")


def test_tree_has_function_and_spawners():
    """Creating function and line at the end, as before."""
    (line,) = tree_lines([spawned(2, verdict=None, stalled_s=None, wait_reason="sleep")], lambda _: True)
    assert line == (
        'task 2 "Task-2" [sleep] runs shop.search.ask, created by shop.search.query:31, through shop.util.spawn\n'
    )
    (line,) = tree_lines([healthy(3, stalled_s=None)], lambda _: True)
    assert line == 'task 3 "worker-3" [queue.get] created by shop.search.Worker.start:52\n'


def test_cancel_dry_run_lists_the_tasks():
    """Before anyone says yes."""
    assert list(_group_lines([spawned(1), spawned(2)])) == [
        "2 tasks [queue.put, unwakeable] created by shop.search.query /app/shop/search.py:31\n",
        "  runs shop.search.ask\n",
    ]
    (first, _) = _group_lines([spawned(1)])
    assert first.startswith("1 task [queue.put, unwakeable] ")


def test_tree_on_a_narrow_terminal_shows_file_and_line():
    task = spawned(2, site=replace(SPAWNED, path="/srv/company/src/shop/search.py"))
    (line,) = tree_lines([task], lambda _: True, width=60)
    assert len(line) <= 61 and "search.py:31" in line
