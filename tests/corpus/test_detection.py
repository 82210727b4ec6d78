"""What `benchmarks/detection.py` counts as found, accused and rightly named."""

import importlib
import sysconfig
from pathlib import Path

import pytest
from corpus.detectors import Living
from corpus.lines import marked_lines
from corpus.runner import HERE, PARK, Run

PROGRAM = HERE / "leaking" / "spawner_documentation_idiom.py"
((GUILTY,), INNOCENT) = marked_lines(PROGRAM)["guilty"], min(marked_lines(PROGRAM)["innocent"])
HELPER = 18  # a line of the helper, which creates for all of its callers
LIBRARY = (str(Path(sysconfig.get_path("stdlib")) / "asyncio" / "tasks.py"), 381)


@pytest.fixture
def detection(monkeypatch):
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(str(HERE.parents[1] / "benchmarks"))
    return importlib.import_module("detection")


def leak(path=PROGRAM, line=GUILTY, **fields):
    return Living("task", 1, fields.pop("function", "handle"), str(path), line, runs="watch_payment", **fields)


def at(line):
    return str(PROGRAM), line


def counts(detection, title, *, frames=(), flagged=(), at_end=(), expected="handle"):
    (row,) = (row for row in detection.ROWS if row.title == title)
    result = Run(PROGRAM.stem, {expected: "orphaned"}, frozenset(), {}, path=str(PROGRAM))
    result.living = [*flagged]
    result.flagged = {row.detectors[0]: set(flagged)}
    result.flagged_at_end = {row.tool: set(at_end)}
    result.shown_frames = {row.tool: {one: list(frames) for one in flagged}}
    return detection.judge(row, [result])


@pytest.mark.parametrize(
    ("frames", "right", "shown"),
    [
        ([LIBRARY, at(GUILTY)], 1, 1),
        ([LIBRARY, at(HELPER), at(GUILTY)], 0, 1),
        ([at(HELPER)], 0, 0),
        ([LIBRARY], 0, 0),
        ([], 0, 0),
    ],
)
def test_stack_of_other_tool_leads_to_first_application_frame(detection, frames, right, shown):
    """Library frames are skipped; a guilty line further out counts as shown alone."""
    count = counts(detection, "pyleak during the run", frames=frames, flagged=[leak()])
    assert count["task", "found"] == 1
    assert (count["right"], count["shown"]) == (right, shown)


@pytest.mark.parametrize(("line", "right"), [(GUILTY, 1), (HELPER, 0)])
def test_line_of_our_site_is_the_one_that_is_named(detection, line, right):
    """No other frame makes up for it."""
    count = counts(detection, "ours: orphaned", flagged=[leak(line=line)])
    assert (count["right"], count["shown"]) == (right, right)


def test_leaking_request_is_named_rightly_at_its_own_line(detection):
    """The runner creates it, so no line of the program bears a mark."""
    request = leak(PARK, 7, function="accept_request")
    for frame, right in (((PARK, 7), 1), ((PARK, 8), 0), (at(GUILTY), 0)):
        count = counts(
            detection, "aiomonitor, all listed", frames=[frame], flagged=[request], expected="accept_request"
        )
        assert count["right"] == right


@pytest.mark.parametrize(("title", "accused"), [("pyleak during the run", 1), ("pyleak after shutdown", 0)])
def test_healthy_task_is_accused_when_its_tool_looks(detection, title, accused):
    """What is gone after shutdown is accused in no test."""
    count = counts(detection, title, flagged=[leak(), leak(line=INNOCENT)])
    assert count["task", "found"] == 1
    assert count["false"] == accused


def test_site_is_accused_once(detection):
    """However many of it are flagged; another line is another site."""
    healthy = [leak(line=INNOCENT)._replace(serial=serial) for serial in range(3)]
    other = leak(line=INNOCENT, function="boot")._replace(line=1)
    assert counts(detection, "older than 60 s", flagged=[*healthy, other])["false"] == 2
