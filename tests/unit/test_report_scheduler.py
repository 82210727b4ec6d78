"""When a group is reported: once it has settled, the largest first, again after a while, and when it is resolved."""

from dataclasses import dataclass

import pytest

from opentelemetry.instrumentation.concurrency.report.scheduler import SETTLE_S, ReportScheduler


@dataclass
class Group:
    count: int = 1
    is_complete: bool = True
    awaits_proof: bool = False


@pytest.fixture
def scheduler():
    return ReportScheduler(limit=2, repeat_s=100.0, settle_s=5.0)


def reported(due):
    return [key for key, _ in due.reports]


def test_scan_over_the_limit_reports_the_largest_groups_first(scheduler):
    groups = {"small": Group(1), "large": Group(30), "middle": Group(7)}
    due = scheduler.scan(groups.items(), 0.0)
    assert reported(due) == ["large", "middle"]
    assert due.newly_limited == 1


def test_scan_after_the_limit_reports_and_counts_the_rest(scheduler):
    groups = {name: Group(count) for name, count in (("a", 5), ("b", 4), ("c", 3), ("d", 2), ("e", 1))}
    assert scheduler.scan(groups.items(), 0.0).newly_limited == 3
    second = scheduler.scan(groups.items(), 1.0)
    assert (reported(second), second.newly_limited) == (["c", "d"], 0)
    assert reported(scheduler.scan(groups.items(), 2.0)) == ["e"]


def test_scan_growing_group_waits_until_it_stops(scheduler):
    assert reported(scheduler.scan([("a", Group(1, is_complete=False))], 0.0)) == []
    assert reported(scheduler.scan([("a", Group(2, is_complete=False))], 1.0)) == []
    assert reported(scheduler.scan([("a", Group(2, is_complete=False))], 2.0)) == ["a"]


def test_scan_group_that_never_settles_is_reported_in_time(scheduler):
    for second in range(int(SETTLE_S)):
        assert reported(scheduler.scan([("a", Group(second + 1, is_complete=False))], float(second))) == []
    assert reported(scheduler.scan([("a", Group(99, is_complete=False))], SETTLE_S)) == ["a"]


def test_scan_longer_age_limit_lets_a_group_settle_longer():
    scheduler = ReportScheduler(limit=2, repeat_s=100.0, settle_s=60.0)
    scheduler.scan([("a", Group(1, awaits_proof=True))], 0.0)
    assert reported(scheduler.scan([("a", Group(1, awaits_proof=True))], 59.0)) == []
    assert reported(scheduler.scan([("a", Group(1, awaits_proof=True))], 60.0)) == ["a"]


def test_scan_group_awaiting_proof_waits(scheduler):
    assert reported(scheduler.scan([("a", Group(awaits_proof=True))], 0.0)) == []
    assert reported(scheduler.scan([("a", Group())], 1.0)) == ["a"]


def test_final_scan_reports_groups_that_would_wait(scheduler):
    assert reported(scheduler.scan([("a", Group(1, False, True))], 0.0, final=True)) == ["a"]


def test_scan_repeats_after_twice_as_long_each_time(scheduler):
    times = [second for second in range(1000) if reported(scheduler.scan([("a", Group())], float(second)))]
    assert times == [0, 100, 300, 700]


def test_scan_resolved_once_and_its_pause_goes_on(scheduler):
    scheduler.scan([("a", Group())], 0.0)
    assert scheduler.scan([], 1.0).resolved == ["a"]
    assert scheduler.scan([], 2.0).resolved == []
    assert reported(scheduler.scan([("a", Group())], 3.0)) == []
    assert reported(scheduler.scan([("a", Group())], 100.0)) == ["a"]


def test_scan_group_gone_before_its_report_is_not_resolved(scheduler):
    scheduler.scan([("a", Group(awaits_proof=True))], 0.0)
    assert scheduler.scan([], 1.0).resolved == []
    scheduler.scan([("a", Group(awaits_proof=True))], 50.0)
    assert reported(scheduler.scan([("a", Group(awaits_proof=True))], 51.0)) == []


def test_not_made_report_stays_due(scheduler):
    scheduler.scan([("a", Group())], 0.0)
    scheduler.not_made("a")
    assert reported(scheduler.scan([("a", Group())], 1.0)) == ["a"]
    scheduler.not_made("a")
    assert scheduler.scan([], 2.0).resolved == []
