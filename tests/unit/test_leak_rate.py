"""How fast a leak grows: over windows with enough evidence, in leaks and stats."""

import argparse

import pytest
from pictured import QUERY, leaked, snapshot

from opentelemetry.instrumentation.concurrency.cli import stats
from opentelemetry.instrumentation.concurrency.cli.impact_lines import Impacts
from opentelemetry.instrumentation.concurrency.cli.leaks import leak_lines
from opentelemetry.instrumentation.concurrency.cli.rate_lines import Rates, rate_text
from opentelemetry.instrumentation.concurrency.cli.taken import Taken
from opentelemetry.instrumentation.concurrency.diagnose.growth.growth import GrowthWatch, Rate
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo

MINUTE, HOUR = 60.0, 3600.0
FACTS = {"kind": "task", "function": QUERY.function, "path": QUERY.path, "line": QUERY.line}


def watched(count_at, until_s, step_s=10.0):
    """Return a watch over a site whose tasks never end, by their number at each moment."""
    watch = GrowthWatch(window_s=MINUTE, scans=5, minimum=20)
    for number in range(1, int(until_s / step_s) + 1):
        now = number * step_s
        watch.scan(now, {"site": [count_at(max(0.0, now - age)) for age in watch.ages_s]})
    return watch


@pytest.mark.parametrize(
    ("every_s", "until_s", "over_s"),
    [(1, 0.5 * HOUR, 5 * MINUTE), (10, 2 * HOUR, 5 * MINUTE), (120, 3 * HOUR, 50 * MINUTE), (1800, 9 * HOUR, 5 * HOUR)],
)
def test_rate_is_that_of_the_leak_on_its_scale(every_s, until_s, over_s):
    rate = watched(lambda at: int(at // every_s), until_s).rate("site")
    assert rate.over_s == over_s
    assert rate.per_hour == pytest.approx(HOUR / every_s, rel=0.25)


def test_rate_of_a_leak_that_never_rose_again_is_zero():
    assert watched(lambda at: min(300, int(at)), 8 * HOUR).rate("site").per_hour == 0


def test_rate_of_what_shrinks_is_zero():
    """Never negative: a leak does not heal."""
    rate = watched(lambda at: max(0, 500 - int(at // 60)) if at else 0, 3 * HOUR, 60.0).rate("site")
    assert rate.per_hour == 0


def test_rate_before_five_windows_is_unknown():
    assert watched(int, 4 * MINUTE).rate("site") is None


def test_rate_of_an_unknown_site_is_unknown():
    assert watched(int, HOUR).rate("other") is None


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "0.0"), (2.04, "2.0"), (9.97, "10.0"), (36.4, "36"), (72000, "72000")]
)
def test_rate_text_has_digits_that_mean_something(rate, text):
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("per_hour", "memory", "line"),
    [
        (36.0, 1_000_000, "  it grows by 36 tasks per hour, 3.6 MB per hour (over the last 5 minutes)\n"),
        (36.0, None, "  it grows by 36 tasks per hour (over the last 5 minutes)\n"),
        (0.0, 1_000_000, "  it does not grow (over the last 5 minutes)\n"),
    ],
)
def test_line_of_a_leak_says_tasks_and_bytes_per_hour(per_hour, memory, line):
    impacts = Impacts([{**FACTS, "verdict": verdict, "memory": memory} for verdict in ("unwakeable", "growing")])
    rates = Rates([{**FACTS, "per_hour": per_hour, "over_s": 300.0}], impacts)
    first, second = [leaked(number) for number in range(6)], [leaked(number, stack=()) for number in range(6, 10)]
    assert rates.lines_of(first[0], [first, second]) == [line]
    assert rates.lines_of(second[0], [first, second]) == []
    assert rates.lines_of_growing({**FACTS, "count": 10}) == [line]
    assert rates.lines_of_growing({**FACTS, "kind": "thread", "count": 10}) == []


def test_leaks_show_the_rate_of_each_site():
    facts = {"rates": [{**FACTS, "per_hour": 36.0, "over_s": 300.0}]}
    lines = "".join(leak_lines(Taken(snapshot([leaked(1)]), ProcessInfo(4711)), facts))
    assert "  it grows by 36 tasks per hour (over the last 5 minutes)\n" in lines
    assert "grows" not in "".join(leak_lines(Taken(snapshot([leaked(1)]), ProcessInfo(4711)), {}))


@pytest.mark.parametrize("rate", [None, 36.0])
def test_stats_show_the_rate_if_there_is_one(rate):
    usual = {"live": 3, "orphans": 3, "created_per_s": 0.0, "oldest_s": 0.0, "created": 40, "leaked_per_hour": rate}
    arguments = argparse.Namespace(top=10, output="table", no_headers=False, sort="live")
    heading, row = "".join(stats._tables(arguments, {"sites": [{**FACTS, **usual}]})).splitlines()
    assert heading.startswith("LEAKED/h") is (rate is not None)
    assert row.split()[0] == ("36" if rate else "3")


def test_scan_notes_rates_of_leaking_sites_alone(instrumented, monkeypatch):
    diagnosis, site = instrumented.live.diagnosis, object()
    monkeypatch.setattr(diagnosis._growing, "rate", lambda asked: Rate(3.0, 300.0) if asked is site else None)
    instrumented.census.scan()
    assert instrumented.live.diagnosed.rates == {}
