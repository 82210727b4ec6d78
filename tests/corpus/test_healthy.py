"""Nothing healthy of the corpus is ever accused: not once, at no look, by no verdict, on both loops."""

import re
import sys

import pytest
from corpus import runner
from corpus.detectors import DETECTORS, VERDICTS, orphaned
from corpus.lines import marked_lines
from corpus.park import SCAN_STEP_S, Park

from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.snapshot.functions import generators_left

PROGRAMS = runner.programs("healthy")
LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop"]

ACCUSED: dict[str, str] = {}
"""Programs with a false alarm that we know of, and why."""

WITHOUT_CREATION: dict[str, str] = {
    "asgiref_sync_to_async": "only the first import of asgiref in a process creates the executor",
    "grpc_server_and_channel": "the poller's thread of an earlier test may still run in this process",
    "helper_process_per_tenant": "a thread waits for each child process only on asyncio's own loop up to Python 3.11",
    "metrics_pusher": "wait_for starts a task only up to Python 3.11",
    "single_flight": "wait_for starts a task only up to Python 3.11",
    "subprocess_watcher": "a thread waits for each child process only on asyncio's own loop up to Python 3.11",
    "supervisor_restarts_through_a_spawner": "its marks include lines that are seen through",
    "watchdog_observer": "whether an observer starts a thread of its own depends on the version of watchdog",
}
"""Programs with innocent lines that create nothing in some environments, and why."""


@pytest.fixture
def ever_flagged(monkeypatch):
    """What was flagged at any look of the census, not only at the last."""
    found = set()
    scan = Park._pass

    def pass_and_note(park, seconds):
        while seconds > 0:
            step = min(seconds, SCAN_STEP_S)
            seconds -= step
            scan(park, step)
            installation = current_installation()
            found.update((round(park._clock.elapsed), *living) for living in orphaned(installation))
            found.update((round(park._clock.elapsed), site.function) for site in installation.live.diagnosed.suspects)
        live = current_installation().live
        with live.census.locked():
            found.update(("span of an ended request", each.site.function) for each in live.stale_spans())
            found.update(("finished tasks", each.held_by, each.count) for each in live.finished_tasks())
            found.update(
                ("generators left half way", each["function"]) for each in generators_left(live.recorder).shown
            )

    monkeypatch.setattr(Park, "_pass", pass_and_note)
    return found


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_nothing_healthy_is_accused(path, loop, ever_flagged, request):
    """No orphan and no suspect at any look, no proof at the last; what is created has the site of a marked line."""
    obstacle = runner.obstacle(path, loop)
    if obstacle:
        pytest.skip(obstacle)
    if path.stem in ACCUSED:
        request.applymarker(pytest.mark.xfail(reason=ACCUSED[path.stem], strict=True))

    result = runner.run(path, loop)

    assert not ever_flagged
    assert result.expected == {}
    assert not result.unmarked_lines()
    assert path.stem in WITHOUT_CREATION or marked_lines(path)["innocent"] <= result.created_at
    for detector in (name for name in VERDICTS if name in DETECTORS):
        assert not result.flagged[detector]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_healthy_program_has_no_guilty_line(path):
    """What leaks belongs into ``leaking/``, where its line is checked."""
    assert not marked_lines(path)["guilty"]


def test_every_program_says_where_it_comes_from():
    """A paragraph on the pattern and a source; at least sixty programs."""
    assert len(PROGRAMS) >= 60
    for path in PROGRAMS:
        docstring = path.read_text().split('"""')[1]
        assert "\nSource: " in docstring and "https://" in docstring, path.stem


def test_every_program_named_in_the_table_of_classes_exists():
    """The false-positive classes of the documentation point at programs."""
    table = (runner.HERE / "healthy" / "README.md").read_text()
    named = set(re.findall(r"^\|.*?\| (.*) \|$", table, re.MULTILINE))
    programs = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
    existing = {path.stem for path in (*PROGRAMS, *runner.programs("leaking"))}
    assert len(programs) > 17
    assert programs <= existing
