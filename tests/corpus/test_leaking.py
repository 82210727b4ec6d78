"""Every leak of the corpus is found, with at least the verdict that it deserves, on both loops."""

import sys

import pytest
from corpus import runner
from corpus.detectors import DETECTORS, VERDICTS
from corpus.lines import function_at, marked_lines

PROGRAMS = runner.programs("leaking")
LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop"]

MISSED: dict[str, str] = {}
"""Programs whose leak no detector of ours sees, or not at its line, and why."""


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_leak_is_found(path, loop, request):
    """All of it lives at its site and is flagged at the guilty lines, with a sufficient verdict; nothing else is."""
    if obstacle := runner.obstacle(path, loop):
        pytest.skip(obstacle)
    if path.stem in MISSED:
        request.applymarker(pytest.mark.xfail(reason=MISSED[path.stem], strict=True))
    result = runner.run(path, loop)

    live = {site: result.live(site) for site in result.expected}
    assert live == result.counts
    for site, verdict in result.expected.items():
        accepted = _accepted(verdict)
        found = {name: result.count(name, site) for name in accepted}
        assert result.counts[site] in found.values(), f"{site} is {verdict}; found: {found}"
        # Growing may be all that is to see of it: a few of them are then younger than the age limit.
        orphans = result.count("orphaned", site)
        if result.is_orphan:
            assert orphans, f"none of {site} is an orphan"
        else:
            # Counted with orphans is what the proof in the background finds, and nothing else.
            assert orphans <= result.count("unwakeable", site), f"{orphans} of {site} are orphans"
    for name in _ours():
        assert not result.false_alarms(name)
        assert not result.wrong_lines(name)
    assert result.leaking_lines(_ours()) == marked_lines(path)["guilty"]
    assert not result.unmarked_lines()


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_marks_and_names_agree_with_expectations(path):
    """The functions of the guilty lines are among those of ``EXPECTED``; ``RUNS`` names none but these."""
    marks, expected = marked_lines(path), set(runner.constant(path, "EXPECTED", {}))

    guilty = {function_at(path, line) for line in marks["guilty"]}

    assert set(runner.constant(path, "RUNS", {})) <= expected
    assert guilty <= expected


def test_every_program_says_where_it_comes_from():
    """A paragraph on the bug and a source; at least sixty programs."""
    assert len(PROGRAMS) >= 60
    for path in PROGRAMS:
        source = path.read_text()
        assert source.startswith('"""') and "\nSource: " in source, path.stem
        assert "https://" in source.split('"""')[1], path.stem


def _ours():
    return [verdict for verdict in VERDICTS if verdict in DETECTORS]


def _accepted(verdict):
    """Return the detectors that satisfy an expectation: the verdict itself and stronger ones."""
    return [name for name in VERDICTS[VERDICTS.index(verdict) :] if name in DETECTORS]
