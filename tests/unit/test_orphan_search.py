"""Which rows are orphans: how often they must be seen, and which unsampled requests a verdict extends to."""

import asyncio
from types import SimpleNamespace

import pytest
from census_rows import Rows
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

from opentelemetry.instrumentation.concurrency.diagnose.introspection.stalls import StallTracker
from opentelemetry.instrumentation.concurrency.diagnose.ownership.ignored import IgnoreList
from opentelemetry.instrumentation.concurrency.diagnose.ownership.orphans import OrphanSearch
from opentelemetry.instrumentation.concurrency.diagnose.ownership.residents import ResidentMemory
from opentelemetry.instrumentation.concurrency.diagnose.row_memory import DiagnosisMemory
from opentelemetry.instrumentation.concurrency.record.creator import CreatorSpan

AGE = 60.0


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def task(loop):
    """Make tasks that wait for a future that nothing completes."""

    async def wait():
        await loop.create_future()

    def start():
        made = loop.create_task(wait())
        loop.run_until_complete(asyncio.sleep(0))
        return made

    return start


def make_search(*ignored, limit=0):
    """Without residents by default, so that a single task counts."""
    return OrphanSearch(
        task_age=AGE,
        thread_age=AGE,
        residents=ResidentMemory(limit, AGE),
        ignored=IgnoreList(ignored),
        stalls=StallTracker(),
        memory=DiagnosisMemory(),
    )


def orphans(search, rows, at, *, final=False):
    """Return how many orphans a scan finds at each site, by function."""
    found = search.search("task", rows.census, rows.scan(at, final=final), lambda: None)
    return {each.site.function: len(each.rows) for each in found}


def test_orphan_needs_the_age_limit_and_two_scans(rows, task):
    search, leaked = make_search(), rows.add(task(), rows.site(), at=1.0, ended=True)
    assert orphans(search, rows, 100.0) == {}
    assert orphans(search, rows, 100.0 + AGE - 1) == {}
    assert orphans(search, rows, 100.0 + AGE) == {}
    assert orphans(search, rows, 110.0 + AGE) == {"shop.query": 1}
    assert not leaked.done()


def test_orphan_in_the_final_scan_needs_one(rows, task):
    search, leaked = make_search(), rows.add(task(), rows.site(), at=1.0, ended=True)
    orphans(search, rows, 100.0)
    assert orphans(search, rows, 100.0 + AGE, final=True) == {"shop.query": 1}
    assert not leaked.done()


def test_orphan_with_a_living_creator_is_none(rows, task):
    search, creator = make_search(), task()
    kept = rows.add(task(), rows.site(), at=1.0, creator=creator)
    for at in (100.0, 200.0, 300.0):
        assert orphans(search, rows, at) == {}
    assert not kept.done()


def test_orphan_evidence_names_the_creators_end(rows, task):
    search, leaked = make_search(), rows.add(task(), rows.site(), at=1.0, ended=True)
    for at in (100.0, 200.0, 300.0):
        found = search.search("task", rows.census, rows.scan(at), lambda: None)
    assert found[0].evidence == {0: "what started it has ended"}
    assert (found[0].live, found[0].says_all, leaked.done()) == (1, False, False)


def test_orphan_among_few_is_resident(rows, task):
    search, leaked = make_search(limit=20), rows.add(task(), rows.site(), at=1.0, ended=True)
    for at in (100.0, 200.0, 300.0):
        assert orphans(search, rows, at) == {}
    assert not leaked.done()


def test_orphan_at_an_ignored_site_is_none(rows, task):
    search, site = make_search("shop.que*"), rows.site()
    leaked = rows.add(task(), site, at=1.0, ended=True)
    other = rows.add(task(), rows.site("shop.mail"), at=1.0, ended=True)
    for at in (100.0, 200.0, 300.0):
        found = orphans(search, rows, at)
    assert found == {"shop.mail": 1}
    assert not leaked.done() and not other.done()


def test_old_rows_are_those_older_than_the_age_limit(rows, task):
    search, site = make_search(), rows.site()
    kept = [rows.add(task(), site, at=at, creator=None) for at in (1.0, 40.0, 41.0)]
    orphans(search, rows, 100.0)
    assert list(search.old_rows) == [0, 1]
    assert search.watched["task"] == {site: 2}
    assert len(kept) == 3


def span(sampler=None):
    tracer = TracerProvider(**({} if sampler is None else {"sampler": sampler})).get_tracer("t")
    made = tracer.start_span("GET /query", kind=SpanKind.SERVER)
    record = CreatorSpan(made)
    made.end()
    return record


def test_orphans_of_sampled_requests_extend_to_unsampled_ones(rows, task):
    """Of an unsampled request nothing tells the end; tasks as old as a sampled leak of the site leak as well."""
    search, site = make_search(), rows.site()
    kept = [
        rows.add(task(), site, at=5.0, span=span(ALWAYS_OFF)),
        rows.add(task(), site, at=10.0, span=span()),
        rows.add(task(), site, at=10.5, span=span(ALWAYS_OFF)),
    ]
    for at in (100.0, 200.0, 300.0):
        found = search.search("task", rows.census, rows.scan(at), lambda: None)
    assert sorted(found[0].rows) == [0, 1]
    assert found[0].evidence[0] == "other tasks of the same site outlived their requests"
    assert len(kept) == 3


def test_unsampled_requests_alone_are_no_orphans(rows, task):
    search, site = make_search(), rows.site()
    kept = rows.add(task(), site, at=5.0, span=span(ALWAYS_OFF))
    for at in (100.0, 200.0, 300.0):
        assert orphans(search, rows, at) == {}
    assert not kept.done()


@pytest.mark.parametrize("is_recorded", [False, True])
def test_many_old_tasks_are_leaks_without_record_only(rows, task, is_recorded):
    """A task without a known creator is judged by the number of such tasks; one with a living creator is none."""
    search, site, creator = make_search(), rows.site(), task()
    kept = [rows.add(task(), site, at=1.0, creator=creator if is_recorded else None)]
    orphans(search, rows, 100.0)
    kept += [rows.add(task(), site, at=200.0, creator=creator if is_recorded else None) for _ in range(20)]
    found = [orphans(search, rows, at) for at in (500.0, 600.0, 700.0)][-1]
    assert found == ({} if is_recorded else {"shop.query": 21})
    assert not any(each.done() for each in kept)


@pytest.mark.parametrize(("received", "are_in_use"), [((), False), ((True, False), False), ((True, True), True)])
def test_connections_are_in_use_if_most_received_something_late(rows, task, received, are_in_use):
    search, site = make_search(), rows.site()
    kept = [rows.add(task(), site, at=1.0) for _ in received]
    since = [1.0 + (3 if late else 1) * AGE for late in received]
    serials = dict(zip(rows.census.tasks.serials, since, strict=True))
    search._stalls = SimpleNamespace(since=serials.get)
    assert search._are_in_use(rows.census.tasks, list(range(len(kept)))) is are_in_use
