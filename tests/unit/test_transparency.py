"""The tool that runs the test suites of others tells what is worse, and its results tell that nothing is."""

import re
import sys

import pytest
from test_docs import ROOT, load


@pytest.fixture(scope="module")
def tool():
    """The script, which finds its neighbours beside it."""
    before = sys.path[:]
    yield load(ROOT / "tests" / "transparency" / "run.py")
    sys.path[:] = before


@pytest.mark.parametrize(
    ("bare", "ours", "is_worse"),
    [
        ("ok", "ok", False),
        ("ok", "failed", True),
        ("ok", "skipped", True),
        ("ok", None, True),
        ("skipped", "ok", False),
        ("skipped", "error", True),
        ("failed", "failed", False),
        ("failed", None, False),
        ("error", "ok", False),
        (None, "error", True),
        (None, "ok", False),
    ],
)
def test_what_ends_badly_not_at_all_or_skipped_is_worse(tool, bare, ours, is_worse):
    """And what is bad bare is nobody's fault here; None is a test that is not there."""
    ended = [{} if how is None else {"test": (how, "", 1.0)} for how in (bare, ours)]
    assert tool.differences(*ended) == ["test"] * is_worse


def test_what_hangs_and_passes_in_the_end_is_worse(tool):
    """A machine that is twice as slow for a while is no hang."""
    assert tool.differences({"test": ("ok", "", 0.3)}, {"test": ("ok", "", 300.0)}) == ["test"]
    assert tool.differences({"test": ("ok", "", 60.0)}, {"test": ("ok", "", 120.0)}) == []


def test_what_runs_again_is_what_ended_badly(tool):
    """A test itself, the class of a set-up, the module that ended as a whole, a suite of pytest altogether."""
    assert tool.alone("test.test_threading.ThreadTests.test_x") == ["test.test_threading.ThreadTests.test_x"]
    assert tool.alone("setUpClass (test.test_threading.ThreadTests)") == ["test.test_threading.ThreadTests"]
    assert tool.alone(f"test.test_threading{tool.WHOLE}") == ["test.test_threading"]
    assert tool.alone(f"uvloop{tool.WHOLE}") == []


def test_no_more_than_five_are_known(tool):
    """Each with a reason."""
    assert len(tool.KNOWN) <= 5 and all(len(reason) > 40 for reason in tool.KNOWN.values())


def test_committed_results_are_of_every_suite_and_differ_in_nothing(tool):
    """Two Pythons at least, each with a row for every suite that ends with a difference of 0."""
    files = sorted((ROOT / "benchmarks" / "results").glob("transparency-*.txt"))
    assert len(files) >= 2
    for file in files:
        first, header, *rows = file.read_text().splitlines()
        assert re.fullmatch(r".*, Python 3\.\d+\.\d+( and 3\.\d+\.\d+)*, \d{4}-\d\d-\d\d", first)
        assert header == tool.HEADER
        assert [row[:36].rstrip() for row in rows] == [suite.name for suite in tool.SUITES]
        assert all(row.endswith(" 0") for row in rows)
