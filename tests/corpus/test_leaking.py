"""Every leak of the corpus is found, with at least the verdict that it deserves, on both loops."""

import sys

import pytest
from corpus import runner
from corpus.detectors import DETECTORS, VERDICTS

PROGRAMS = runner.programs("leaking")
LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop"]

MISSED: dict[str, str] = {}
"""Programs whose leak no detector of ours sees, and why."""


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_leak_is_found(path, loop, request):
    """All of it lives at its site, with the verdict that it deserves or a stronger one; nothing else is accused."""
    if path.stem in MISSED:
        request.applymarker(pytest.mark.xfail(reason=MISSED[path.stem], strict=True))
    result = runner.run(path, loop)

    live = {site: sum(one.function == site for one in result.living) for site in result.expected}
    assert live == result.counts
    for site, verdict in result.expected.items():
        accepted = _accepted(verdict)
        found = {name: result.count(name, site) for name in accepted}
        assert result.counts[site] in found.values(), f"{site} is {verdict}; found: {found}"
        # Growing may be all that is to see of it: a few of them are then younger than the age limit.
        orphans = result.count("orphaned", site)
        assert bool(orphans) is result.is_orphan, f"{orphans} of {site} are orphans"
    for name in _ours():
        assert not result.false_alarms(name)


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
