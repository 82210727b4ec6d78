"""Nothing healthy of the corpus is ever accused: not once, at no look, by no verdict, on both loops."""

import re
import sys

import pytest
from corpus import runner
from corpus.detectors import DETECTORS, VERDICTS, orphaned
from corpus.park import SCAN_STEP_S, Park

from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

PROGRAMS = runner.programs("healthy")
LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop"]

ACCUSED: dict[str, str] = {}
"""Programs with a false alarm that we know of, and why."""


@pytest.fixture
def ever_flagged(monkeypatch):
    """What was flagged at any look of the census, not only at the last."""
    found = set()
    look = Park._pass

    def pass_and_note(park, seconds):
        while seconds > 0:
            step = min(seconds, SCAN_STEP_S)
            seconds -= step
            look(park, step)
            installation = current_installation()
            found.update((round(park._clock.elapsed), *living) for living in orphaned(installation))
            found.update((round(park._clock.elapsed), site.function) for site in installation.diagnosed.suspects)

    monkeypatch.setattr(Park, "_pass", pass_and_note)
    return found


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_nothing_healthy_is_accused(path, loop, ever_flagged, request):
    """No orphan and no suspect at any look, and no proof at the last."""
    obstacle = runner.obstacle(path, loop)
    if obstacle:
        pytest.skip(obstacle)
    if path.stem in ACCUSED:
        request.applymarker(pytest.mark.xfail(reason=ACCUSED[path.stem], strict=True))

    result = runner.run(path, loop)

    assert not ever_flagged
    assert result.expected == {}
    for detector in (name for name in VERDICTS if name in DETECTORS):
        assert not result.flagged[detector]


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
