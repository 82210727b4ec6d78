"""Answers of the tools: filtered, sanitised and limited, with the failures of single processes beside the others."""

from types import SimpleNamespace

import pytest
from pictured import healthy, leaked, snapshot, spawned, thread

from opentelemetry.instrumentation.concurrency.cli import tool_answers
from opentelemetry.instrumentation.concurrency.cli.failures import CommandError, UsageError
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally


class FakeSource:
    """A process that answers with pictures."""

    pictures: dict[str, list] = {}

    def __init__(self, process, _timeout_s):
        self.label = process

    def take(self):
        found = self._found()
        if self.label == "silent":
            raise CommandError("silent: it does not \x1b[31m answer\n")
        of_kind = {kind: tuple(each for each in found if each.kind == kind) for kind in ("task", "thread")}
        return SimpleNamespace(snapshot=snapshot(of_kind["task"], of_kind["thread"]))

    def count(self, kind):
        return SimpleNamespace(counts=tally([each for each in self._found() if each.kind == kind]))

    def _found(self):
        found = self.pictures[self.label]
        return found.pop(0) if found and isinstance(found[0], list) else found


@pytest.fixture
def processes(monkeypatch):
    """The pictures of each process by name; a target is a list of names with commas."""
    pictures = {"shop": [leaked(1), healthy(2), thread(3)], "silent": []}
    monkeypatch.setattr(FakeSource, "pictures", pictures)
    monkeypatch.setattr(tool_answers, "ProcessSource", FakeSource)
    monkeypatch.setattr(tool_answers, "named_processes", lambda target: target.split(","))
    monkeypatch.setattr(tool_answers, "replace", lambda source, **_: source)
    monkeypatch.setattr(tool_answers, "asked_leaks", lambda source: (source.take(), {}))
    monkeypatch.setattr(tool_answers, "chosen_leaks", lambda _filters, taken, facts: (taken, facts))
    return pictures


def test_stack_shows_groups_and_filters_them(processes):
    assert "2" in tool_answers.stack_text("shop").splitlines()[0]
    text = tool_answers.stack_text("shop", site="shop.search.query")
    assert "shop.search.query" in text and "Worker" not in text
    assert "MainThread" in tool_answers.stack_text("shop", threads=True, full=True)


def test_leaks_name_the_creating_line(processes):
    processes["shop"] = [leaked(1)]
    text = tool_answers.leaks_text("shop")
    assert "\n\n1 task unwakeable: created by shop.search.query" in text and "1 leaked task at 1 site" in text


def test_tree_shows_tasks_by_owner(processes):
    assert 'task 1 "Task-1"' in tool_answers.tree_text("shop")


def test_diff_shows_what_grew_between_two_snapshots(processes):
    processes["shop"] = [[leaked(1)], [leaked(1), leaked(2)]]
    slept = []
    text = tool_answers.diff_text("shop", 5.0, slept.append)
    assert slept == [5.0] and "+1" in text and "shop.search.query" in text


def test_process_that_fails_is_a_line_beside_the_others(processes):
    lines = tool_answers.tree_text("shop,silent").splitlines()
    assert lines[0] == "process shop"
    assert lines[-1] == r"process silent: silent: it does not \x1b[31m answer\n"


def test_only_process_that_fails_is_an_error(processes):
    with pytest.raises(CommandError, match="does not"):
        tool_answers.tree_text("silent")


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nforged line", "\u202egnp", "\ud800"])
def test_names_from_the_process_are_sanitised(processes, name):
    processes["shop"] = [leaked(1, name=name), spawned(2, name=name)]
    for text in (tool_answers.tree_text("shop"), tool_answers.stack_text("shop", full=True)):
        assert name not in text
        assert all(line.replace("\t", "").isprintable() for line in text.split("\n"))


def test_long_answer_is_cut_and_the_cut_said(processes, monkeypatch):
    monkeypatch.setattr(tool_answers, "TEXT_LIMIT", 300)
    processes["shop"] = [leaked(number) for number in range(100)]
    text = tool_answers.stack_text("shop", full=True)
    monkeypatch.setattr(tool_answers, "TEXT_LIMIT", 10**6)
    whole = tool_answers.stack_text("shop", full=True).split("\n")
    *shown, cut = text.split("\n")
    assert len(text) < 450 and shown == whole[: len(shown)]
    assert cut == f"… ({len(whole) - len(shown)} more lines beyond 300 characters; narrow with site, wait or verdict)"


def test_nothing_that_matches_is_said(processes):
    assert tool_answers.stack_text("shop", verdict="orphaned", full=True) == "Nothing matches."


@pytest.mark.parametrize(
    "ask",
    [
        lambda: tool_answers.stack_text("shop", wait="nonsense"),
        lambda: tool_answers.stack_text("shop", verdict="growing"),
        lambda: tool_answers.leaks_text("shop", verdict="any"),
        lambda: tool_answers.diff_text("shop", 0),
        lambda: tool_answers.diff_text("shop", float("nan")),
        lambda: tool_answers.diff_text("shop", 1e9),
        lambda: tool_answers.tree_text(""),
    ],
)
def test_invalid_argument_is_a_usage_error(processes, ask):
    with pytest.raises(UsageError, match="expected"):
        ask()


@pytest.mark.parametrize("everything", [False, True])
def test_list_shows_agents_or_all(monkeypatch, everything):
    asked = []

    def rows(timeout_s, *, only_agents):
        asked.append(only_agents)
        return []

    monkeypatch.setattr(tool_answers, "process_rows", rows)
    tool_answers.list_text(everything=everything)
    assert asked == [not everything]
