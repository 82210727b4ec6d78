"""What has no room in an answer or a table is counted and said."""

import argparse
from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency.agent import leaks as agent_leaks
from opentelemetry.instrumentation.concurrency.agent.answer_shapes import EXECUTORS, GENERATORS
from opentelemetry.instrumentation.concurrency.cli import stats
from opentelemetry.instrumentation.concurrency.cli.left_out import left_out_lines, more_rows
from opentelemetry.instrumentation.concurrency.cli.stats import _tables
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.snapshot.functions import Functions


@pytest.fixture
def live(monkeypatch):
    """A process in which every group can be described by its number of tasks."""
    monkeypatch.setattr(agent_leaks, "_MOST_GROWING", 2)
    monkeypatch.setattr(agent_leaks, "_finding", lambda group: {"count": group.count})
    return SimpleNamespace(describe=lambda group: group)


def groups(*counts, verdict="growing"):
    sites = [Site("thread", place, None, -2, f"shop.start_{place}") for place in range(len(counts))]
    return [Group(site, verdict, count, "", 0.0) for site, count in zip(sites, counts, strict=True)]


def test_growing_sites_beyond_the_limit_are_counted(live):
    found = agent_leaks._growing(live, groups(5, 9, 7, 1))
    assert [each["count"] for each in found.shown] == [9, 7]
    assert found.left_out == 2


def test_other_verdicts_are_no_growing_sites(live):
    assert agent_leaks._growing(live, groups(5, 9, 7, verdict="orphaned")) == ([], 0)


def test_sites_with_young_threads_beyond_the_limit_are_counted(live):
    found = agent_leaks._young(live, groups(5, 30, 7), 20)
    assert [(each["count"], each["counts"]) for each in found.shown] == [(30, True), (7, False)]
    assert found.left_out == 1
    assert agent_leaks._young(live, groups(5), 20).left_out == 0


def test_entries_beyond_each_limit_are_counted(monkeypatch):
    monkeypatch.setattr(agent_leaks, "_MOST_GROWING", 1)
    monkeypatch.setattr(agent_leaks, "ENDED_BADLY_LIMIT", 2)
    some, none = agent_leaks._Described([], 7), agent_leaks._Described([], 0)
    found = agent_leaks._left_out(some, none, range(5), range(5), range(4), Functions([], 6))
    assert list(found.values()) == [7, 0, 3, 4, 3, 6]
    assert set(agent_leaks._left_out(none, none, (), (), (), Functions([], 0)).values()) == {0}


def test_leaks_says_what_the_answer_left_out():
    facts = {"left_out": {"growing sites": 3, "functions with generators left half way": 0, "kept \x1b[2J": 1}}
    text = "".join(left_out_lines(facts, 0))
    assert text.startswith("Not shown: 3 more growing sites, 1 more kept ")
    assert "\x1b" not in text and "generators" not in text
    assert list(left_out_lines({"left_out": {"growing sites": 0}}, 0)) == []
    assert list(left_out_lines({}, 0)) == []


def test_stats_says_what_the_answer_left_out_of_the_lists_that_it_prints(monkeypatch, capsys):
    """The answer also has functions with generators, for the live page."""
    facts = {"left_out": {EXECUTORS: 3, GENERATORS: 5}, "sites": []}
    monkeypatch.setattr(stats, "sources", lambda _: [SimpleNamespace(label="4711")])
    monkeypatch.setattr(stats, "_measured", lambda *_: facts)
    monkeypatch.setattr(stats, "_lines", lambda _: [])
    stats.run(argparse.Namespace(interval="1s", output="wide", top=3, sort="live", no_headers=False))
    assert capsys.readouterr().out.endswith("Not shown: 3 more lines that created executors.\n")


def test_stats_says_how_many_sites_top_left_out():
    site = {"kind": "task", "path": "/srv/shop.py", "line": 3, "live": 1, "orphans": 0, "created_per_s": 0.0}
    facts = {"sites": [{**site, "function": f"shop.start_{number}", "oldest_s": 1.0} for number in range(5)]}
    given = argparse.Namespace(top=3, sort="live", output="wide", no_headers=False)
    assert "".join(_tables(given, facts)).endswith("\n2 more sites; --top shows more.\n")
    assert list(more_rows(1, "lines")) == ["1 more line; --top shows more.\n"]
    assert list(more_rows(0, "lines")) == []
