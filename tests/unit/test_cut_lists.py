"""Lists, trees and pictures that are cut say how much is missing."""

import argparse
import json
import re
from collections import Counter
from contextlib import nullcontext
from io import StringIO
from types import SimpleNamespace

import pytest
from pictured import healthy, leaked, snapshot, spawned

from opentelemetry.instrumentation.concurrency.cli import flame_graph as flame_module
from opentelemetry.instrumentation.concurrency.cli import launched_processes, several, sources
from opentelemetry.instrumentation.concurrency.cli.by_process import summary_by_process
from opentelemetry.instrumentation.concurrency.cli.failures import UsageError
from opentelemetry.instrumentation.concurrency.cli.flame_graph import flame_graph
from opentelemetry.instrumentation.concurrency.cli.processes import Process
from opentelemetry.instrumentation.concurrency.cli.serve import AgentPages
from opentelemetry.instrumentation.concurrency.cli.taken import Taken
from opentelemetry.instrumentation.concurrency.cli.tree import tree_lines
from opentelemetry.instrumentation.concurrency.diagnose import executor_use
from opentelemetry.instrumentation.concurrency.diagnose.executor_use import ExecutorUse, executor_rows
from opentelemetry.instrumentation.concurrency.diagnose.executors import _evidence
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.serve import live_source
from opentelemetry.instrumentation.concurrency.serve.overview import Selection, chosen_of, neighbours, snapshot_of
from opentelemetry.instrumentation.concurrency.snapshot.as_json import read_snapshot, snapshot_schema, write_snapshot
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo
from opentelemetry.instrumentation.concurrency.snapshot.values import CreationSite


def everything(_picture):
    return True


def tree(tasks):
    return list(tree_lines(tasks, everything))


def test_tree_that_is_too_deep_counts_the_tasks_below():
    chain = [healthy(serial, owners=(serial - 1,)) for serial in range(1, 151)]
    *shown, last = tree(chain)
    assert last == f"… ({150 - len(shown)} tasks below more than 100 others not shown)\n"


def test_tree_without_a_cut_says_nothing():
    chain = [healthy(serial, owners=(serial - 1,)) for serial in range(1, 100)]
    assert len(tree(chain)) == 99


def test_tree_with_too_many_lines_counts_the_tasks_that_are_on_none():
    """Twenty levels of two tasks that share their owners double with each level; one orphan is behind them all."""
    levels = [
        healthy(2 * level + side, owners=(2 * level - 2, 2 * level - 1) if level > 1 else ())
        for level in range(1, 21)
        for side in (0, 1)
    ]
    *shown, last = tree([*levels, healthy(100)])
    assert len(shown) == 4 * 41 + 100
    named = {int(serial) for line in shown for serial in re.findall(r"task (\d+)|tasks like (\d+)", line)[0] if serial}
    # The two leaves are alike and share their lines.
    missing = {*range(2, 42), 100} - named - {41}
    assert 100 in missing
    assert last.endswith(f"only the first {len(shown)} lines are shown: {len(missing)} tasks not shown)\n")


def test_tree_with_all_tasks_on_its_lines_says_that_none_is_missing():
    middle = [healthy(serial, owners=(1,)) for serial in range(2, 11)]
    leaves = [healthy(serial, owners=range(2, 11), wait_reason=str(serial)) for serial in range(11, 41)]
    assert tree([healthy(1), *middle, *leaves])[-1].endswith("lines are shown: no task is missing)\n")


def test_stacks_deeper_than_a_flame_graph_are_counted(monkeypatch):
    monkeypatch.setattr(flame_module, "_MAX_DEPTH", 3)
    picture = "".join(flame_graph(["a;b;c 1\n", "a;b;c;d 5\n", "a;b;c;d;e 2\n"], title="deep"))
    assert ">7 stacks are cut after their outermost 3 frames</text>" in picture
    assert "are cut" not in "".join(flame_graph(["a;b;c 1\n"], title="shallow"))


def test_processes_without_an_agent_beyond_the_limit_are_counted(monkeypatch):
    uid = launched_processes.os.geteuid()
    found = [Process(10**6 + number, uid=uid, command="python " + "x" * 100) for number in range(11)]
    monkeypatch.setattr(launched_processes, "has_proc", lambda: True)
    monkeypatch.setattr(launched_processes, "python_processes", lambda: iter(found))
    monkeypatch.setattr(launched_processes, "environment_of", lambda _: {})
    monkeypatch.setattr(launched_processes, "launched_from", lambda _: "/venv")
    monkeypatch.setattr(launched_processes, "has_agent", lambda _: False)
    *shown, last = launched_processes.of_launched_processes()
    assert len(shown) == 8 and "(47 more characters)" in shown[0].what
    assert last.what == "3 further processes without an agent: not listed."
    del found[8:]
    assert len(list(launched_processes.of_launched_processes())) == 8


def test_target_that_matches_many_processes_counts_those_not_named(monkeypatch):
    many = [SimpleNamespace(label=str(number)) for number in range(1, 12)]
    monkeypatch.setattr(sources, "sources", lambda *_, **__: many)
    with pytest.raises(UsageError, match=r"11 processes \(1, 2, 3, 4, 5, 6, 7, 8 and 3 more\)"):
        sources.one_source(argparse.Namespace(target="python"))


def test_pattern_that_matches_many_processes_counts_those_not_named(monkeypatch):
    monkeypatch.setattr(sources, "_matching", lambda _: [Process(number) for number in range(1, 11)])
    with pytest.raises(UsageError, match=r"10 Python processes \(1, 2, 3, 4, 5, 6, 7, 8 and 2 more\)"):
        sources.one_process("shop", "doctor", by_pattern=True)


def test_progress_over_many_processes_counts_those_not_named(monkeypatch):
    said = []
    monkeypatch.setattr(several, "progress", lambda text: said.append(text) or nullcontext(lambda *_: None))
    list(several.Asked([SimpleNamespace(label=str(number)) for number in range(6)], lambda source: source.label))
    assert said[0] == "Waiting for 6 of 6: 0, 1, 2, 3 and 2 more"
    assert said[-1].startswith("Waiting for 1 of 6: ") and "more" not in said[-1]


def test_table_by_process_counts_the_sites_that_top_leaves_out():
    site = [CreationSite(f"shop.start_{number}", "/srv/shop.py", number, "") for number in range(5)]
    counted = [("4711", Counter(site[:4])), ("4712", Counter(site[2:]))]
    given = argparse.Namespace(output="wide", no_headers=False)
    assert list(summary_by_process(given, "tasks", counted, 3))[-1] == "2 more sites; --top shows more.\n"
    assert "more" not in "".join(summary_by_process(given, "tasks", counted, 5))
    assert "more" not in "".join(summary_by_process(given, "tasks", counted))


def test_lines_with_executors_beyond_the_limit_are_counted(monkeypatch):
    monkeypatch.setattr(executor_use, "MAX_ROWS", 2)
    uses = {Site("thread", number, None, -2, f"shop.pool_{number}"): ExecutorUse(1) for number in range(5)}
    found = executor_rows(uses, 0.0)
    assert len(found.rows) == 2 and found.left_out == 3
    assert executor_rows({}, 0.0) == ([], 0)


def test_functions_of_a_stuck_executor_that_are_not_named_are_counted():
    calls = [SimpleNamespace(runs=f"shop.job_{number}") for number in range(5)]
    assert "(shop.job_0, shop.job_1, shop.job_2 and 2 more)" in _evidence(calls, 60.0, 1)
    assert "more" not in _evidence(calls[:3], 60.0, 1)


def test_selection_beyond_its_limit_is_counted():
    chosen = chosen_of(
        [spawned(serial) for serial in range(1, 8)], Selection("task", "shop.search.query", line=31, limit=3)
    )
    assert [one.serial for one in chosen.pictures] == [1, 2, 3] and chosen.left_out == 4


def test_neighbours_beyond_the_limit_are_counted():
    chain = [healthy(serial, owners=(serial - 1,), waits_for=serial + 1) for serial in range(1, 11)]
    chosen = neighbours([*chain, healthy(50)], 5, 3)
    assert len(chosen.pictures) == 3 and chosen.left_out == 7
    assert chosen_of(chain, Selection("task", around=5, limit=3)) == chosen
    assert neighbours(chain, 5, 10).left_out == 0


def test_debug_page_and_agent_page_count_what_a_selection_lacks(monkeypatch):
    pictures = [spawned(serial) for serial in range(1, 8)]
    selection = Selection("task", "shop.search.query", line=31, limit=3)
    monkeypatch.setattr(live_source, "live_pictures", lambda *_: iter(pictures))
    process = SimpleNamespace(live=SimpleNamespace(load=lambda: None))
    taken = Taken(snapshot(pictures), ProcessInfo(4711))
    for pages in (live_source.LiveSource(process), AgentPages(SimpleNamespace(take=lambda: taken))):
        stream = StringIO()
        pages.write_selection(stream, selection)
        document = json.loads(stream.getvalue())
        assert (len(document["tasks"]), document["left_out"]) == (3, 4)


@pytest.mark.parametrize("left_out", [0, 4])
def test_snapshot_of_a_selection_says_what_it_lacks(left_out):
    stream = StringIO()
    write_snapshot(snapshot_of((leaked(1),)), stream, left_out=left_out)
    document = json.loads(stream.getvalue())
    assert document.get("left_out", 0) == left_out and ("left_out" in document) == (left_out > 0)
    assert "left_out" in snapshot_schema()["properties"]
    assert len(read_snapshot(stream.getvalue()).tasks) == 1
