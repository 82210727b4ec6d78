"""The age clock: monotonic time without the time in which the process could not run."""

import pytest

from opentelemetry.instrumentation.concurrency.census.ageing import AgeClock


class Time:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def clock(time):
    return AgeClock(time)


def test_scan_first_one_follows_no_gap(clock, time):
    time.now = 5000.0
    assert clock.scan(10.0) is False
    assert clock.now() == 5000.0


def test_scan_in_time_follows_no_gap(clock, time):
    clock.scan(10.0)
    for _ in range(5):
        time.now += 20.0
        assert clock.scan(10.0) is False
    assert clock.now() == 1100.0


def test_scan_after_a_gap_ages_by_twice_the_expected_gap(clock, time):
    clock.scan(10.0)
    time.now += 3600.0
    assert clock.scan(10.0) is True
    assert clock.now() == 1020.0
    time.now += 10.0
    assert clock.scan(10.0) is False
    assert clock.now() == 1030.0


def test_scan_after_two_gaps_loses_both(clock, time):
    clock.scan(10.0)
    for _ in range(2):
        time.now += 120.0
        assert clock.scan(10.0) is True
    assert clock.now() == 1040.0


def test_scan_expected_gap_counts_as_one_second_at_least(clock, time):
    clock.scan(0.1)
    time.now += 2.0
    assert clock.scan(0.1) is False
    time.now += 2.5
    assert clock.scan(0.1) is True
    assert clock.now() == 1004.0


def test_restart_accepts_any_time(clock, time):
    clock.scan(10.0)
    clock.restart()
    time.now += 3600.0
    assert clock.scan(10.0) is False
    assert clock.now() == 4600.0


def test_convert_raw_time_of_before_the_gap_is_not_in_the_future(clock, time):
    clock.scan(10.0)
    time.now += 3600.0
    clock.scan(10.0)
    assert clock.convert(4599.0) == 1019.0
    assert clock.convert(9999.0) == clock.now()
