"""A site that leaks is suspected on one of three scales; one that is busy, fills up or starts is not."""

import importlib.util
import itertools
from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.growth import GrowthWatch, growth_clause

spec = importlib.util.spec_from_file_location("growth", Path(__file__).parents[2] / "benchmarks" / "growth.py")
simulation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simulation)

SHAPES = [
    shape for shape in simulation.healthy(1, 0.3) if not shape[0].startswith(("sawtooth", "websockets"))
]  # fmt: skip


@pytest.mark.parametrize(("name", "tasks"), SHAPES, ids=[name for name, _ in SHAPES])
def test_healthy_load_is_suspected_once_a_start_at_most(name, tasks):
    assert sum(1 for _ in simulation.suspicions(tasks, simulation.DAY)) <= 1


def test_what_fills_up_every_day_is_news_only_once():
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
        return self.watch.look(self.now, {"site": counts})

    def until_suspected(self, births, most=1000):
        for _ in range(most):
            found = self.scan(births)
            if found:
                return found[0]
        return None


def test_evidence_says_from_where_to_where_in_what_time():
    growth = Site().until_suspected(births=5)
    assert growth.last - growth.first >= 20
    sentence = growth_clause(growth, "task")
    assert sentence.startswith(f"the tasks older than 1 minute rose from {growth.first} to {growth.last} in ")


def test_suspicion_stands_until_half_of_the_rise_is_given_back():
    site = Site()
    since = site.until_suspected(births=5).since
    for _ in range(60):
        (growth,) = site.scan()
        assert growth.since == since
    del site.births[len(site.births) // 4 :]
    assert [bool(site.scan()) for _ in range(20)][-1] is False


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
