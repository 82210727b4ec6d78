"""What has no room in an answer or a table is counted and said."""

import argparse
from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency.agent import leaks as agent_leaks
from opentelemetry.instrumentation.concurrency.cli.leak_blocks import Form
from opentelemetry.instrumentation.concurrency.cli.leaks import _left_out
from opentelemetry.instrumentation.concurrency.cli.stats import _more, _tables
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.record.site import Site


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
    monkeypatch.setattr(agent_leaks, "GENERATORS_LIMIT", 3)
    some, none = agent_leaks._Described([], 7), agent_leaks._Described([], 0)
    found = agent_leaks._left_out(some, none, range(5), range(5), range(4), range(4))
    assert list(found.values()) == [7, 0, 3, 4, 3, 1]
    assert set(agent_leaks._left_out(none, none, (), (), (), ()).values()) == {0}


def test_leaks_says_what_the_answer_left_out():
    facts = {"left_out": {"growing sites": 3, "functions with generators left half way": 0, "kept \x1b[2J": 1}}
    text = "".join(_left_out(facts, Form()))
    assert text.startswith("Not shown: 3 more growing sites, 1 more kept ")
    assert "\x1b" not in text and "generators" not in text
    assert list(_left_out({"left_out": {"growing sites": 0}}, Form())) == []
    assert list(_left_out({}, Form())) == []


def test_stats_says_how_many_sites_top_left_out():
    site = {"kind": "task", "path": "/srv/shop.py", "line": 3, "live": 1, "orphans": 0, "created_per_s": 0.0}
    facts = {"sites": [{**site, "function": f"shop.start_{number}", "oldest_s": 1.0} for number in range(5)]}
    given = argparse.Namespace(top=3, sort="live", output="wide", no_headers=False)
    assert "".join(_tables(given, facts)).endswith("\n2 more sites; --top shows more.\n")
    assert list(_more(1, "lines")) == ["1 more line; --top shows more.\n"]
    assert list(_more(0, "lines")) == []
