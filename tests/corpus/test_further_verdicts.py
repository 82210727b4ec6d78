"""The further verdicts on real libraries: spans of ended requests, finished tasks, generators left half way.

Each program of ``further/`` has two entries: ``main`` with the bug, and its healthy ``twin``.
"""

import pytest
from corpus import detectors, runner

from opentelemetry.instrumentation.concurrency.census.pace import no_pause
from opentelemetry.instrumentation.concurrency.diagnose.impact import named_walk
from opentelemetry.instrumentation.concurrency.diagnose.stale_spans import stale_spans
from opentelemetry.instrumentation.concurrency.record.interpreter import FREE_THREADED
from opentelemetry.instrumentation.concurrency.snapshot.functions import generators_left

WANTED = {"finished", "stale span", "generators"}


def found_by(installation):
    """Return what a process reports besides leaks: kind, and the variable or the creating function."""
    census = installation.census
    with census.locked():
        # Spans are timed by the real clock, in which the requests have just ended.
        verdicts, sites = installation.diagnosis.memory.of(census.tasks).verdict, census.recorder.task_sites.sites
        stale = [each.site.function for each in stale_spans(census.tasks, sites, verdicts, 0.0, no_pause)]
        return {
            *(("finished", each.held_by) for each in installation.live.finished_tasks()),
            *(("stale span", function.partition(".")[2]) for function in stale),
            *(("generators", each["function"]) for each in generators_left(installation.live.recorder).shown),
        }


def run(path, entry, monkeypatch):
    """Run an entry of a program; return what was found besides leaks, and the groups with a verdict."""
    found, leaks = set(), []

    def collect(installation):
        found.update(found_by(installation))
        leaks.extend(installation.live.diagnosed.groups)
        return set()

    # In a whole run, hundreds of test modules use up the limit of the walk.
    modules = named_walk.application_modules
    monkeypatch.setattr(
        named_walk,
        "application_modules",
        lambda known: (each for each in modules(known) if each[1].get("__file__") == str(path)),
    )
    monkeypatch.setitem(detectors.DETECTORS, "further", collect)
    runner.run(path, entry=entry)
    return found, leaks


@pytest.mark.parametrize("path", runner.programs("further"), ids=lambda path: path.stem)
@pytest.mark.parametrize("entry", ["main", "twin"])
def test_bug_is_found_and_its_twin_is_silent(path, entry, monkeypatch):
    if reason := runner.obstacle(path):
        pytest.skip(reason)
    kind = runner.constant(path, "FOUND", "")
    if FREE_THREADED and kind == "finished":
        pytest.skip("finished tasks are not searched in free-threaded builds")
    found, leaks = run(path, entry, monkeypatch)
    if entry == "main":
        assert (kind, runner.constant(path, "AT", "")) in found and {each for each, _ in found} == {kind}
    else:
        assert found == set()
    assert leaks == []


def test_programs_show_every_further_verdict():
    """Swallowed cancellations are shown by leaking programs."""
    assert {runner.constant(path, "FOUND", "") for path in runner.programs("further")} == WANTED
