"""From groups to events: which are sent, and when a site is reported as resolved."""

from types import SimpleNamespace

import pytest
from test_report_attributes import finding_of

from opentelemetry.instrumentation.concurrency.census.scan import Scan
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.report import reporter as reporter_module
from opentelemetry.instrumentation.concurrency.report.reporter import Reporter
from opentelemetry.instrumentation.concurrency.report.scheduler import ReportScheduler

SITE = Site("task", 0, None, -2, "shop.query", runs="shop.ask")
OTHER_SITE = Site("task", 1, None, -2, "shop.mail", runs="shop.send")


class Recording:
    """Stands for the sinks."""

    def __init__(self):
        self.sent, self.is_off, self.newest_report_at, self.creators = [], False, None, []

    def send(self, name, attributes, recording_span=None, **_options):
        self.creators.append(recording_span)
        self.sent.append((name, attributes["python.leak.verdict"], attributes["python.leak.count"]))


class Reports:
    """A reporter whose groups are described without looking at tasks."""

    def __init__(self, *, repeat_s=3600.0, **options):
        self.sinks, self.scans, self.describe = Recording(), 0, described
        book = ReportScheduler(limit=2, repeat_s=repeat_s, settle_s=5.0)
        self.reporter = Reporter(
            self.sinks,
            book,
            lambda group: self.describe(group),
            stack_text_limit=4000,
            with_source=False,
            with_names=True,
            **options,
        )

    def scan(self, *groups, final=False):
        """Return the events of a scan that found these groups."""
        self.scans += 1
        self.sinks.sent.clear()
        self.reporter.scan(list(groups), Scan(self.scans, float(self.scans), False, (), (), final))
        return list(self.sinks.sent)


def group(verdict="orphaned", site=SITE, count=1):
    return Group(site, verdict, count, "what started it has ended", 0.0, is_complete=True)


class CreatorSpan:
    """Stands for the span of a request that still records, or has ended."""

    def __init__(self, span_id, *, records=True):
        self.context, self.records = SimpleNamespace(span_id=span_id), records

    def recording_span(self):
        return self if self.records else None


def created_under(span, verdict="orphaned"):
    found = group(verdict)
    found.representative = SimpleNamespace(creator_span=span)
    return found


def described(group):
    finding = finding_of(runs=group.site.runs)
    values = {name: getattr(finding, name) for name in finding.__dataclass_fields__}
    return SimpleNamespace(**{**values, "verdict": group.verdict, "count": group.count})


@pytest.fixture
def reports():
    return Reports()


ORPHANED, SUSPECTED = "python.asyncio.task.orphaned", "python.leak.suspected"
RESOLVED = "python.leak.resolved"


def test_scan_site_without_a_verdict_is_resolved_once(reports):
    assert reports.scan(group(count=3)) == [(ORPHANED, "orphaned", 3)]
    assert reports.scan() == [(RESOLVED, "orphaned", 0)]
    assert reports.scan() == []


def test_scan_site_under_another_verdict_is_not_resolved(reports):
    """Orphans that were proven meanwhile are not gone."""
    reports.scan(group("orphaned"))
    assert reports.scan(group("unwakeable")) == [(ORPHANED, "unwakeable", 1)]
    assert reports.scan() == [(RESOLVED, "unwakeable", 0)]


def test_scan_other_sites_verdict_does_not_hold_back_resolved(reports):
    reports.scan(group(), group(site=OTHER_SITE))
    assert reports.scan(group(site=OTHER_SITE)) == [(RESOLVED, "orphaned", 0)]


def test_scan_destroyed_tasks_are_never_resolved(reports):
    assert reports.scan(group("destroyed")) == [("python.asyncio.task.destroyed", "destroyed", 1)]
    assert reports.scan() == []


def test_scan_final_resolves_nothing(reports):
    reports.scan(group("growing"))
    assert reports.scan(final=True) == []


def test_end_with_main_site_is_not_resolved(reports):
    reports.scan(group(), group(site=OTHER_SITE))
    reports.reporter.end_with_main({SITE})
    assert len(reports.scan()) == 1


def test_scan_limited_reports_are_counted_as_dropped(reports):
    sites = [Site("task", number, None, -2, f"shop.query_{number}") for number in range(5)]
    assert len(reports.scan(*(group(site=site) for site in sites))) == 2
    assert reports.reporter.dropped == {"limit": 3}


def test_scan_reports_off_sends_nothing(reports):
    reports.sinks.is_off = True
    assert reports.scan(group()) == []


def test_scan_failing_description_is_tried_again(reports):
    def failing(*_):
        raise ValueError("the task has gone")

    reports.describe = failing
    assert reports.scan(group()) == []
    assert reports.reporter.dropped == {}
    reports.describe = described
    assert reports.scan(group()) == [(ORPHANED, "orphaned", 1)]


def test_scan_failing_description_at_the_end_is_counted(reports):
    reports.describe = lambda group: 1 / 0
    assert reports.scan(group(), final=True) == []
    assert reports.reporter.dropped == {"error": 1}


def test_scan_calls_on_report_once_per_report(reports):
    called = []
    found = group()
    found.on_report = lambda: called.append(True)
    reports.scan(found)
    reports.scan(found)
    assert called == [True]


def test_resolved_text_names_the_ended_leak(reports):
    texts = {}
    reports.sinks.send = lambda name, attributes, **_: texts.update({name: attributes["python.leak.reason"]})
    for found, text in (
        (group(), "The task reported at this site has ended."),
        (group(count=4), "The 4 tasks reported at this site have ended."),
        (group("growing", count=4), "The number of tasks of this site has stopped growing."),
    ):
        fresh = Reports()
        fresh.sinks.send = reports.sinks.send
        fresh.scan(found)
        fresh.scan()
        assert texts[RESOLVED] == text


def test_newest_report_age_without_reports_is_none(reports):
    assert reports.reporter.newest_report_age_s() is None
    reports.sinks.newest_report_at = 0.0
    assert reports.reporter.newest_report_age_s() > 0


def test_scan_by_default_no_creators_span_gets_the_event(reports):
    reports.scan(created_under(CreatorSpan(1)))
    assert reports.sinks.creators == [None]


def test_scan_to_creator_span_gets_each_group_once():
    """A report that is repeated, or another task of the same request, adds nothing; another verdict does."""
    reports, span = Reports(repeat_s=1.0, to_creator=True), CreatorSpan(1)
    for _ in range(8):
        reports.scan(created_under(span))
    assert len(reports.sinks.creators) > 1
    assert [creator for creator in reports.sinks.creators if creator is not None] == [span]
    reports.scan(created_under(span, "unwakeable"))
    assert reports.sinks.creators[-1] is span


def test_scan_to_creator_span_that_has_ended_gets_nothing():
    reports = Reports(to_creator=True)
    reports.scan(created_under(CreatorSpan(1, records=False)), group(site=OTHER_SITE))
    assert reports.sinks.creators == [None, None]


def test_scan_to_creator_remembers_a_bounded_number_of_spans(monkeypatch):
    monkeypatch.setattr(reporter_module, "_MAX_CREATOR_SPANS", 3)
    reports = Reports(repeat_s=1.0, to_creator=True)
    for span_id in range(200):
        reports.scan(created_under(CreatorSpan(span_id)))
    assert len(reports.reporter._creator_spans) == 3
