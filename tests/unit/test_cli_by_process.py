"""Several processes side by side: by site, with one column per process."""

import argparse
from collections import Counter

import pytest
from pictured import leaked, snapshot

from opentelemetry.instrumentation.concurrency.cli import leaks, stats
from opentelemetry.instrumentation.concurrency.cli.by_process import summary_by_process, table_by_process
from opentelemetry.instrumentation.concurrency.cli.taken import Taken
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo
from opentelemetry.instrumentation.concurrency.snapshot.values import CreationSite

QUERY = CreationSite("shop.query", "/srv/shop.py", 31, "shop.ask")
START = CreationSite("shop.start", "/srv/shop.py", 8, "shop.work")
COUNTED = [("4711", Counter({QUERY: 3, START: 1})), ("4712", Counter({QUERY: 2}))]


def given(**options):
    usual = {"output": "wide", "no_headers": False, "site": None, "wait": None, "verdict": None, "full": False}
    return argparse.Namespace(**{**usual, "sort": "count", "top": 10, "interval": "1s", **options})


class Source:
    """A process that answers with what it was made with."""

    def __init__(self, label, answer):
        self.label, self.answer = label, answer


@pytest.fixture
def sources(monkeypatch):
    """Let the commands ask these sources."""

    def use(*found):
        for command in (leaks, stats):
            monkeypatch.setattr(command, "sources", lambda *_, **__: list(found))
        monkeypatch.setattr(leaks, "asked_leaks", lambda source: source.answer)
        monkeypatch.setattr(stats, "_measured", lambda source, _interval: source.answer)

    return use


def rows(text):
    return [line.split() for line in text.splitlines() if line]


def test_table_has_the_sum_and_a_column_for_each_process():
    shown = rows("".join(table_by_process(given(), COUNTED)))
    assert shown[0][:4] == ["TOTAL", "4711", "4712", "SITE"]
    assert [row[:4] for row in shown[1:]] == [["5", "3", "2", "/srv/shop.py:31"], ["1", "1", "0", "/srv/shop.py:8"]]


def test_table_shows_the_largest_sites_only():
    shown = rows("".join(table_by_process(given(no_headers=True), COUNTED, 1)))
    assert [row[0] for row in shown] == ["5"]


def test_summary_is_for_several_processes_that_have_something():
    def lines(counted):
        return list(summary_by_process(given(), "leaks", counted))

    assert lines(COUNTED)[:2] == ["\n", "2 processes, leaks by site:\n"]
    assert lines(COUNTED[:1]) == []
    assert lines([("4711", Counter()), ("4712", Counter())]) == []


def test_leaks_of_several_processes_end_with_their_sums(sources, capsys):
    answers = [Taken(snapshot(tasks), ProcessInfo(pid)) for pid, tasks in ((4711, (leaked(1), leaked(2))), (4712, ()))]
    growing = {"kind": "task", "function": "shop.grow", "path": "/srv/grow.py", "line": 3, "count": 50, "reason": "x"}
    sources(Source("4711", (answers[0], {})), Source("4712", (answers[1], {"growing": [growing]})))
    assert leaks.run(given()) == 1
    shown = rows(capsys.readouterr().out.partition("2 processes, leaked tasks and threads by site:\n")[2])
    assert [row[:3] for row in shown] == [["TOTAL", "4711", "4712"], ["50", "0", "50"], ["2", "2", "0"]]


def test_leaks_of_one_process_have_no_sums(sources, capsys):
    sources(Source("4711", (Taken(snapshot((leaked(1),)), ProcessInfo(4711)), {})))
    leaks.run(given())
    assert "processes" not in capsys.readouterr().out


def test_healthy_processes_have_no_sums(sources, capsys):
    taken = Taken(snapshot(()), ProcessInfo(4711))
    sources(Source("4711", (taken, {})), Source("4712", (taken, {})))
    assert leaks.run(given()) == 0
    assert "by site" not in capsys.readouterr().out


def test_stats_of_several_processes_end_with_their_sums(sources, capsys, monkeypatch):
    monkeypatch.setattr(stats, "_lines", lambda _: ())
    monkeypatch.setattr(stats, "_tables", lambda *_: ())
    site = {"function": "shop.query", "path": "/srv/shop.py", "line": 31}
    facts = [{"sites": [{**site, "kind": kind, "live": live} for kind, live in (("task", 3), ("thread", 1))]}, {}]
    sources(Source("4711", facts[0]), Source("4712", facts[1]))
    stats.run(given())
    shown = rows(capsys.readouterr().out.partition("2 processes, live tasks and threads by site:\n")[2])
    assert [row[:3] for row in shown] == [["TOTAL", "4711", "4712"], ["4", "4", "0"]]


def test_processes_that_do_not_fit_are_named(monkeypatch):
    """The function that runs gives way first."""
    counted = [(str(label), Counter({QUERY: 1})) for label in range(4711, 4723)]
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.cli.tables.terminal_width", lambda: 80)
    text = "".join(table_by_process(given(output="table"), counted))
    assert "RUNS" not in text and " 4711 " in text
    assert "Columns that do not fit: " in text and "4722; -o wide" in " ".join(text.split())
    assert "Columns" not in "".join(table_by_process(given(output="table"), counted[:2]))


def test_site_without_a_file_is_cut_before_a_process_is_dropped(monkeypatch):
    """Such as that of this package's own threads."""
    own = CreationSite("opentelemetry.instrumentation.concurrency", "", 0)
    counted = [(label, Counter({own: 3, QUERY: 1})) for label in ("4711", "4712", "4713")]
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.cli.tables.terminal_width", lambda: 64)
    text = "".join(table_by_process(given(output="table"), counted))
    assert " 4713 " in text and "ntation.concurrency\n" in text and "/srv/shop.py:31" in text
