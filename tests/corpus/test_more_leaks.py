"""More leaks never mean less evidence: every leaking program with few requests and with many.

By default each program runs with its usual five requests and with one larger count. ``CORPUS_COUNTS=1,5,20,40,200``
runs every program with all of these; 10,000 takes most programs a minute of CPU time.
"""

import os

import pytest
from corpus import runner
from corpus.detectors import VERDICTS
from corpus.lines import marked_lines

TASKS = [path for path in runner.programs("leaking") if not runner.constant(path, "THREADS", False)]
USUAL = 5
LARGER = (20, 40, 200)
CHOSEN = [int(count) for count in os.environ.get("CORPUS_COUNTS", "").split(",") if count]

NOT_SCALED: dict[str, str] = {
    "aiojobs_spawn_from_a_request": "its scheduler runs a hundred jobs at once, and further requests wait for them",
}
"""Programs that do not leak more with more requests, and why."""


def counts_of(place):
    """Return with how many requests to run the program at a place of the list, ascending."""
    return sorted(CHOSEN) or [USUAL, LARGER[place % len(LARGER)]]


def evidence(result, site):
    """Return the place in ``VERDICTS`` of the strongest verdict that all leaked tasks of a site have; -1 if none."""
    live = result.live(site)
    return max((place for place, name in enumerate(VERDICTS) if result.count(name, site) == live), default=-1)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("place", "path"), list(enumerate(TASKS)), ids=[path.stem for path in TASKS])
def test_more_leaks_never_mean_less_evidence(place, path):
    """What is found stays found, with its verdict, its line and its number, and nothing else is accused."""
    if obstacle := runner.obstacle(path) or NOT_SCALED.get(path.stem):
        pytest.skip(obstacle)
    strongest = dict.fromkeys(runner.constant(path, "EXPECTED", {}), -1)
    for count in counts_of(place):
        result = runner.run(path, count=count)
        for site in strongest:
            # In some programs the first request leaks nothing.
            assert result.live(site) >= count - 1, f"{site} does not scale"
            found = evidence(result, site)
            assert found >= strongest[site], f"{site} with {count} requests: {_counts(result, site)}"
            if result.live(site):
                strongest[site] = found
        for name in VERDICTS:
            assert not result.false_alarms(name), f"{name} with {count} requests"
            assert not result.wrong_lines(name), f"{name} with {count} requests"
        if max(strongest.values()) >= 0:
            assert result.leaking_lines(VERDICTS) <= marked_lines(path)["guilty"]


def _counts(result, site):
    return {"live": result.live(site), **{name: result.count(name, site) for name in VERDICTS}}


def test_programs_that_are_not_scaled_exist():
    assert NOT_SCALED.keys() <= {path.stem for path in TASKS}
