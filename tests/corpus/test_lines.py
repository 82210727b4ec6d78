"""The marks of a program's lines, and how a run tells leaks, false alarms and wrong lines by them."""

import pytest
from corpus.detectors import Living
from corpus.lines import function_at, marked_lines
from corpus.runner import HERE, PARK, Run

SOURCE = '''\
"""Says "# guilty" in a string."""
spawn(1)  # innocent
def outer():
    def inner():
        spawn(2)  # guilty: nothing cancels it
    call(lambda: spawn(3))  # guilty
class Pool:
    async def open(self):
        if self:
            spawn(4)  # not guilty
'''


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(SOURCE)
    return path


def run_of(path, expected, **fields):
    return Run(path.stem, expected, frozenset(fields.pop("dragged", ())), {}, path=str(path), **fields)


def test_marked_lines_reads_comments_alone(program):
    """Strings and other comments are no marks; a mark may be followed by its reason."""
    assert marked_lines(program) == {"guilty": {5, 6}, "innocent": {2}}


@pytest.mark.parametrize(
    ("line", "function"), [(2, "<module>"), (5, "outer.inner"), (6, "outer.<lambda>"), (10, "Pool.open")]
)
def test_function_at_names_innermost_function(program, line, function):
    """The name is that of a creation site, without ``<locals>``."""
    assert function_at(program, line) == function


@pytest.fixture
def corpus_program():
    """A program of the corpus with a guilty line, an innocent one, and a factory with an innocent caller."""
    path = HERE / "leaking" / "factory_of_watchers.py"
    marks = marked_lines(path)
    (guilty,), (innocent,) = marks["guilty"], marks["innocent"]
    return path, guilty, innocent


def living(path, line, **fields):
    return Living("task", 1, fields.pop("function", "watch"), str(path), line, **fields)


def test_leak_at_guilty_line_is_not_a_false_alarm(corpus_program):
    """What is flagged where the leak is created is found and named rightly."""
    path, guilty, _ = corpus_program
    result = run_of(path, {"watch": "orphaned"}, flagged={"orphaned": {living(path, guilty)}})
    assert result.count("orphaned", "watch") == 1
    assert not result.false_alarms("orphaned")
    assert not result.wrong_lines("orphaned")


@pytest.mark.parametrize("where", ["line", "caller"])
def test_flagged_at_innocent_line_is_false_alarm(corpus_program, where):
    """The line that created it, or the one that called the factory that did, is healthy."""
    path, guilty, innocent = corpus_program
    flagged = living(path, innocent) if where == "line" else living(path, guilty, caller=innocent)
    result = run_of(path, {"watch": "orphaned"}, dragged={"watch"}, flagged={"orphaned": {flagged}})
    assert result.count("orphaned", "watch") == 0
    assert result.false_alarms("orphaned") == {flagged}


def test_leak_at_unmarked_line_is_wrong_line(corpus_program):
    """In a file of the corpus or of a library; the runner's own line of a request is exempt."""
    path, guilty, _ = corpus_program
    elsewhere = {living(path, guilty - 1), living("/usr/lib/python3/library.py", guilty)}
    request = living(PARK, 1, function="accept_request")
    result = run_of(
        path, {"watch": "orphaned", "accept_request": "orphaned"}, flagged={"orphaned": {*elsewhere, request}}
    )
    assert result.wrong_lines("orphaned") == elsewhere


def test_unmarked_lines_are_those_of_living_ones_without_mark(corpus_program):
    """Marked lines, ``DRAGGED`` functions and other files are left out."""
    path, guilty, innocent = corpus_program
    result = run_of(path, {"watch": "orphaned"}, dragged={"helper"})
    result.living = [
        living(path, guilty),
        living(path, innocent),
        living(path, 1),
        living(path, 2, function="helper"),
        living(PARK, 3, function="accept_request"),
    ]
    assert result.unmarked_lines() == {1}


def test_leaking_lines_are_those_of_flagged_leaks(corpus_program):
    """Of the program alone, by any of the detectors that are asked for."""
    path, guilty, innocent = corpus_program
    flagged = {
        "orphaned": {living(path, guilty), living(path, innocent), living(PARK, 3, function="accept_request")},
        "growing": {living(path, 4)},
        "old": {living(path, 5)},
    }
    result = run_of(path, {"watch": "orphaned", "accept_request": "growing"}, flagged=flagged)
    assert result.leaking_lines(["orphaned", "growing"]) == {guilty, 4}


def test_leak_that_runs_something_else_is_false_alarm(corpus_program):
    """``RUNS`` tells apart what shares a line."""
    path, guilty, _ = corpus_program
    rightly = living(path, guilty, runs=f"{path.stem}.Watcher.run")
    other = living(path, guilty, runs=f"{path.stem}.Watcher.sweep")
    result = run_of(
        path, {"watch": "orphaned"}, runs={"watch": ("Watcher.run",)}, flagged={"orphaned": {rightly, other}}
    )
    assert result.count("orphaned", "watch") == 1
    assert result.false_alarms("orphaned") == {other}
