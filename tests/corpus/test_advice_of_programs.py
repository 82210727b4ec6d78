"""Advice against the corpus: what ends a leak is what its fix did, and nothing else is advised."""

import re
import sys
import threading

import pytest
from corpus import detectors, runner
from corpus.fixes import FIXES, WITHOUT_ADVICE

from opentelemetry.instrumentation.concurrency.diagnose.impact import named_walk
from opentelemetry.instrumentation.concurrency.diagnose.impact.advice import PATTERNS
from opentelemetry.instrumentation.concurrency.diagnose.impact.thread_advice import THREAD_PATTERNS

WANTED = 40
"""The least number of programs with the right advice."""


def actions_of(advice):
    """Return the kinds of fixes that a sentence of advice describes."""
    for pattern in (*PATTERNS, *THREAD_PATTERNS):
        parts = map(re.escape, re.split(r"\{\w+\}", pattern.text))
        if re.fullmatch("(?:.*)".join(parts), advice):
            return pattern.actions
    raise AssertionError(advice)


def advised(path, monkeypatch):
    """Run a program and return the advice on its groups of leaked tasks and threads."""
    found = []

    def collect(installation):
        with installation.census.locked():
            installation.live.measure_impact()
            found.extend(
                (group.site.runs, group.impact.advice)
                for group in installation.live.diagnosed.groups
                if group.impact.advice
            )
        return set()

    # In a whole run, hundreds of test modules, and threads of the test runner that hold them, use up the limit of the
    # walk to the holders.
    running, current_frames = sys._current_frames().keys() - {threading.get_ident()}, sys._current_frames
    monkeypatch.setattr(
        sys, "_current_frames", lambda: {each: top for each, top in current_frames().items() if each not in running}
    )
    modules = named_walk.application_modules
    monkeypatch.setattr(
        named_walk,
        "application_modules",
        lambda known: (found for found in modules(known) if found[1].get("__file__") == str(path)),
    )
    monkeypatch.setattr(detectors, "DETECTORS", detectors.DETECTORS)
    monkeypatch.setitem(detectors.DETECTORS, "advice", collect)
    runner.run(path)
    return found


@pytest.mark.parametrize("path", runner.programs("leaking"), ids=lambda path: path.stem)
def test_advice_is_what_the_fix_did_or_none(path, monkeypatch):
    """For a program whose fix is unknown, the advice is of a known pattern."""
    if reason := runner.obstacle(path):
        pytest.skip(reason)
    if "swallows_cancellation" in path.stem and sys.version_info < (3, 11):
        pytest.skip("asyncio counts requests to cancel since 3.11")
    fix = FIXES.get(path.stem)
    found = advised(path, monkeypatch)
    for runs, advice in found:
        actions = actions_of(advice)
        assert fix is None or actions & fix, (runs, advice)
    assert fix is None or bool(found) != (path.stem in WITHOUT_ADVICE)


def test_fixes_are_of_programs_that_exist():
    assert len(FIXES.keys() - WITHOUT_ADVICE) >= WANTED
    assert FIXES.keys() <= {path.stem for path in runner.programs("leaking")}


def test_patterns_describe_every_kind_of_fix():
    known = {action for pattern in (*PATTERNS, *THREAD_PATTERNS) for action in pattern.actions}
    assert {action for fix in FIXES.values() for action in fix} - known == {"does not wait"}
    assert known <= {action for fix in FIXES.values() for action in fix}
