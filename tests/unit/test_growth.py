"""A site that leaks is suspected on one of three scales; one that is busy, fills up or starts is not."""

import importlib.util
import itertools
from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.growth.growth import (
    _DAYS_REMEMBERED,
    GrowthWatch,
    _Scale,
    growth_clause,
)

spec = importlib.util.spec_from_file_location("growth", Path(__file__).parents[2] / "benchmarks" / "growth.py")
simulation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simulation)

SHAPES = [
    shape for shape in simulation.healthy(1, 0.3) if not shape[0].startswith(("sawtooth", "websockets"))
]  # fmt: skip


@pytest.mark.parametrize(("name", "tasks"), SHAPES, ids=[name for name, _ in SHAPES])
def test_healthy_load_is_suspected_once_a_start_at_most(name, tasks):
    assert sum(1 for _ in simulation.suspicions(tasks, simulation.DAY)) <= 1


def test_pool_that_fills_daily_is_suspected_once():
    for shape in (simulation.sawtooth(6 * 3600, 200, 3 * simulation.DAY), simulation.websockets(300, 3 * 86_400)):
        assert sum(1 for _ in simulation.suspicions(shape, 3 * simulation.DAY)) <= 1


@pytest.mark.parametrize(("every_s", "found_after_s"), [(1, 1800), (180, 6 * 3600), (1800, 86_400)])
def test_leak_is_found_in_time(every_s, found_after_s):
    found = next(simulation.suspicions(simulation.leak(every_s, 3600, 2 * 86_400), 2 * 86_400))
    assert 0 < found - 3600 <= found_after_s


class Site:
    """A site in scans of ten seconds; its tasks never end, or are renewed."""

    def __init__(self, window_s=60.0, scans=5, minimum=20):
        self.watch = GrowthWatch(window_s=window_s, scans=scans, minimum=minimum)
        self.now = 0.0
        self.births = []

    def scan(self, births=0, seconds=10.0):
        self.now += seconds
        self.births += [self.now] * births
        counts = [sum(birth <= self.now - age for birth in self.births) for age in self.watch.ages_s]
        return self.watch.scan(self.now, {"site": counts})

    def until_suspected(self, births, most=1000):
        for _ in range(most):
            found = self.scan(births)
            if found:
                return found[0]
        return None


def test_evidence_has_both_counts_and_the_time():
    growth = Site().until_suspected(births=5)
    assert growth.last - growth.first >= 20
    sentence = growth_clause(growth, "task")
    assert sentence.startswith(f"the tasks older than 1 minute rose from {growth.first} to {growth.last} in ")


def test_growth_half_of_the_rise_given_back_ends_suspicion():
    site = Site()
    site.until_suspected(births=5)
    del site.births[len(site.births) // 4 :]
    assert [bool(site.scan(births=1)) for _ in range(20)][-1] is False


def test_growth_that_stops_ends_suspicion_after_its_windows():
    """The tasks live on; the sentence names the time of the rise as long as the suspicion stands."""
    site = Site()
    since = site.until_suspected(births=5).since
    standing = [found[0] for _ in range(100) if (found := site.scan())]
    # Until the last of them are old, and then for as long as it rose.
    windows = standing[-1].windows
    assert windows * 6 <= len(standing) <= (windows + 3) * 6
    assert {growth.since for growth in standing} == {since}
    assert windows <= standing[0].windows + 2


def test_growth_that_stopped_needs_a_new_rise():
    site = Site()
    before = site.until_suspected(births=5)
    while site.scan():
        pass
    live = len(site.births)
    assert not any(site.scan(births=int(number % 12 == 0)) for number in range(120))
    again = site.until_suspected(births=5)
    assert again.first >= live > before.first


HOUR = 3600.0


def test_growth_of_a_pool_filled_in_three_rushes_is_silent():
    """Five after an hour, five more after nine and after forty-eight."""
    site = Site()
    found = [site.scan(5 * (number in {6, 54, 288}), seconds=HOUR / 6) for number in range(6 * 24 * 5)]
    assert not any(found)


def test_growth_of_one_in_six_hours_is_silent_below_twenty():
    site = Site()
    assert not any(site.scan(int(number % 36 == 0), seconds=HOUR / 6) for number in range(36 * 19))


def test_growth_of_two_an_hour_after_days_of_rest_is_found():
    site = Site()
    assert not any(site.scan(8 * (number == 6), seconds=HOUR / 6) for number in range(6 * 24 * 4))
    assert any(site.scan(int(number % 3 == 0), seconds=HOUR / 6) for number in range(6 * 24))


def test_gap_in_which_nothing_was_counted_gives_no_suspicion():
    """What was born before the process was stopped is all old at once."""
    site = Site()
    for _ in range(5):
        assert not site.scan(births=200)
    site.watch.gap()
    assert not any(site.scan(seconds=600 if first else 10.0) for first in (True, *itertools.repeat(False, 100)))


def test_site_that_has_nothing_old_is_forgotten():
    site = Site()
    for _ in range(100):
        site.scan(births=1)
        site.births = site.births[-5:]
    assert site.watch._sites == {}


def test_shorter_windows_and_other_minima_are_taken():
    assert Site(window_s=1.0).until_suspected(births=50, most=30) is not None
    assert Site(minimum=10_000).until_suspected(births=5, most=200) is None


@pytest.mark.parametrize(("rise", "is_suspected"), [(290, False), (330, True)])
def test_rise_within_three_standard_deviations_is_chance(rise, is_suspected):
    """Of 10,000 old ones that come and go, a hundred more or fewer are chance; `GROWTH_MIN` is 20."""
    watch = GrowthWatch(window_s=60.0, scans=5, minimum=20)
    # The fall at the start begins a climb.
    counts = [10_001, 10_001, *(10_000 + rise * number // 12 for number in range(13)), 10_000 + rise]
    found = [watch.scan(60.0 * number, {"site": [old, 10_000, *[0] * 4]}) for number, old in enumerate(counts)]
    assert any(found) is is_suspected


def test_growth_that_falls_back_by_half_of_what_it_needed_ends_suspicion():
    """From 100 to 130, of which it gave back all but four: not half of the rise to the highest count of the week."""
    watch = GrowthWatch(window_s=60.0, scans=5, minimum=20)
    scale = _Scale(0.0, 60.0, 5, 100)
    for last, is_suspected in ((120, True), (104, False)):
        scale.since, scale.rise, scale.last = 1.0, (100, 130, 6), last
        watch._judge(scale, last, 2.0, slow=False)
        assert (scale.since is not None) is is_suspected


def test_peak_is_forgotten_after_so_many_days():
    day = 86_400.0
    scale = _Scale(0.0, 60.0, 5, 0)
    scale._remember_peak(1.0, 100)
    scale._remember_peak(2.0, 90)
    scale._remember_peak((_DAYS_REMEMBERED - 1) * day, 5)
    assert scale.highest_before() == 100
    scale._remember_peak(_DAYS_REMEMBERED * day, 6)
    assert scale.highest_before() == 6


def test_growth_on_the_longest_scale_alone_is_judged_as_slow(monkeypatch):
    site, seen = Site(), []
    monkeypatch.setattr(site.watch, "_judge", lambda scale, alive, now, *, slow: seen.append(slow))
    for _ in range(3):
        site.scan(births=1, seconds=100 * HOUR)
    assert seen[-3:] == [False, False, True]
