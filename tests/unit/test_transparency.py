"""The tool that runs the test suites of others tells what is worse, and its results tell that nothing is."""

import re
import sys
import urllib.request

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
def test_bad_missing_or_skipped_endings_are_worse(tool, bare, ours, is_worse):
    """And what is bad bare is nobody's fault here; None is a test that is not there."""
    ended = [{} if how is None else {"test": (how, "", 1.0)} for how in (bare, ours)]
    assert tool.differences(*ended) == ["test"] * is_worse


def test_hanging_test_that_passes_later_is_worse(tool):
    """A machine that is twice as slow for a while is no hang."""
    assert tool.differences({"test": ("ok", "", 0.3)}, {"test": ("ok", "", 300.0)}) == ["test"]
    assert tool.differences({"test": ("ok", "", 60.0)}, {"test": ("ok", "", 120.0)}) == []


def test_rerun_covers_the_tests_that_ended_badly(tool):
    """A test itself, the class of a set-up, the module that ended as a whole, a suite of pytest altogether."""
    assert tool.alone("test.test_threading.ThreadTests.test_x") == ["test.test_threading.ThreadTests.test_x"]
    assert tool.alone("setUpClass (test.test_threading.ThreadTests)") == ["test.test_threading.ThreadTests"]
    assert tool.alone(f"test.test_threading{tool.WHOLE}") == ["test.test_threading"]
    assert tool.alone(f"uvloop{tool.WHOLE}") == []


def test_no_more_than_five_are_known(tool):
    """Each with a reason."""
    assert len(tool.KNOWN) <= 5 and all(len(reason) > 40 for reason in tool.KNOWN.values())


def test_committed_results_differ_in_nothing(tool):
    """Two Pythons at least; each row is of a suite, in their order, and ends with a difference of 0."""
    files = sorted((ROOT / "benchmarks" / "results").glob("transparency-*.txt"))
    assert len(files) >= 2
    for file in files:
        first, header, *rows = file.read_text().splitlines()
        assert re.fullmatch(r".*, Python 3\.\d+\.\d+( and 3\.\d+\.\d+)*, \d{4}-\d\d-\d\d", first)
        assert header == tool.HEADER
        suites = [row[:36].rstrip() for row in rows]
        assert suites == [suite.name for suite in tool.SUITES if suite.name in suites]
        assert all(row[45:57].strip() in tool.SDKS for row in rows)
        assert all(row.endswith(" 0") for row in rows)


class ScriptedRuns:
    """Stands for the runs of a suite: how each test ends, by SDK and by bare or instrumented."""

    def __init__(self, ends):
        self._ends = ends

    def once(self, how, only, sdk):
        return {name: (self._ends[name].get(sdk, {}).get(how, "failed"), "", 0.1) for name in only}


@pytest.mark.parametrize(
    ("ends", "differs"),
    [
        ({"no threads": {"bare": "ok", "instrumented": "ok"}}, False),
        ({"no threads": {"bare": "ok", "instrumented": "failed"}}, True),
        ({"none": {"bare": "ok", "instrumented": "failed"}}, True),
        ({"no threads": {"bare": "ok", "instrumented": "ok"}, "none": {"bare": "ok", "instrumented": "failed"}}, False),
        ({}, False),
    ],
)
def test_hidden_differences_are_found_with_less_of_an_sdk(tool, ends, differs):
    """A test that the SDK's threads break is compared where it passes bare: without those, or without SDK."""
    runs = ScriptedRuns({"test.M.T.test_x": ends})
    found = tool.hidden_differences(runs.once, ["test.M.T.test_x"], tool.SDKS[1:])
    assert found == ["test.M.T.test_x"] * differs


def export(address, body):
    request = urllib.request.Request(f"{address}/v1/metrics", data=body)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_receiver_run_without_exports_is_an_error(tool):
    """A run whose SDK exported nothing, or nothing of the package, has compared something else."""
    receiver = tool.Receiver()
    with pytest.raises(RuntimeError, match="the bare run exported nothing"):
        receiver.check("bare", with_ours=False)
    export(receiver.address("bare"), b"application")
    export(receiver.address("instrumented"), b"application")
    receiver.check("bare", with_ours=False)
    with pytest.raises(RuntimeError, match="0 of 1 exports of the instrumented run"):
        receiver.check("instrumented", with_ours=True)
    export(receiver.address("instrumented"), b"\x12\x2aopentelemetry.instrumentation.concurrency")
    receiver.check("instrumented", with_ours=True)
    receiver.forget()
    with pytest.raises(RuntimeError, match="exported nothing"):
        receiver.check("instrumented", with_ours=True)
