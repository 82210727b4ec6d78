"""Suspected sites and spawning lines, over scans of ten seconds that each test writes down."""

import asyncio
import threading
from types import SimpleNamespace
from weakref import WeakKeyDictionary

import pytest
from census_rows import Rows
from suspended_tasks import socket_pair

from opentelemetry.instrumentation.concurrency import long_lived
from opentelemetry.instrumentation.concurrency.census.scan import Scan, Tally
from opentelemetry.instrumentation.concurrency.diagnose.growth.growing import Growing, GrowingSites
from opentelemetry.instrumentation.concurrency.diagnose.ownership.ignored import IgnoreList
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import SpawningLine
from opentelemetry.instrumentation.concurrency.settings import Settings


class Worker:
    """Stands for a live thread."""


class Executor:
    """Stands for an executor."""


class Service:
    """Sites whose tasks and threads never end."""

    def __init__(self, *ignored, live_limit=100_000):
        self.rows = Rows()
        settings = Settings(growth_window=60.0, growth_scans=5, growth_min=20, live_limit=live_limit, resident_limit=1)
        self.growing = GrowingSites(settings, IgnoreList(ignored))
        self.now, self.births, self.kept = 0.0, {}, []

    def thread_site(self, name="shop.start", spawning=None, runs="shop.work"):
        site = self.rows.site(name, kind="thread", runs=runs)
        site.spawning = spawning or site.spawning
        return site

    def scan(self, births, seconds=10.0):
        """Advance the clock, add births, and return the suspects.

        Args:
            births: By site, the number of births, or the objects that are born.
            seconds: Time since the scan before.
        """
        self.now += seconds
        for site, born in births.items():
            for found in [Worker() for _ in range(born)] if isinstance(born, int) else born:
                self.kept.append(self.rows.add(found, site, at=self.now))
                self.births.setdefault(site, []).append(self.now)
        tallies = [self._tally(site, times) for site, times in self.births.items()]
        tasks, threads = (tuple(each for each in tallies if each.site.kind == kind) for kind in ("task", "thread"))
        return list(self.growing.scan(self.rows.census, Scan(1, self.now, False, tasks, threads), lambda: None))

    def _tally(self, site, times):
        older = tuple(sum(at <= self.now - age for at in times) for age in self.growing.ages_s)
        return Tally(site, len(times), times[0], older)

    def until_suspected(self, births, seconds=10.0):
        """Repeat a scan up to a hundred times and return the first suspects; empty if there are none."""
        return next((found for _ in range(100) if (found := self.scan(births, seconds))), [])


@pytest.fixture
def suspended():
    """Return a function that makes a suspended task. Tests add the same task several times."""
    loop, tasks = asyncio.SelectorEventLoop(), []

    async def wait(start):
        await start()

    def make(start=loop.create_future):
        tasks.append(loop.create_task(wait(start)))
        loop.run_until_complete(asyncio.sleep(0))
        return tasks[-1]

    with socket_pair() as (reader, _):
        make.receiving = lambda: make(lambda: loop.sock_recv(reader, 1))
        yield make
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_growing_site_is_suspected_with_its_old_rows():
    service = Service()
    site, other = service.thread_site(), service.thread_site("shop.other")
    service.scan({other: 3})
    (suspect,) = service.until_suspected({site: 5})
    assert suspect.site is site
    assert suspect.evidence.startswith("the threads older than 1 minute rose from ")
    created_at = service.rows.census.threads.created_at
    assert [row for row, at in enumerate(created_at) if row >= 3 and at <= service.now - 60.0] == list(suspect.rows)
    assert (suspect.count, suspect.old) == (len(service.kept) - 3, len(suspect.rows))
    assert suspect.rises


def test_growing_site_that_is_ignored_is_not_suspected():
    service = Service("shop.start")
    assert service.until_suspected({service.thread_site(): 5}) == []


@long_lived("polls")
def poll():
    """Stand for a declared function."""


def test_growing_site_of_a_declared_function_is_not_suspected():
    service = Service()
    assert service.until_suspected({service.thread_site(runs=f"{__name__}.poll"): 5}) == []


def test_growing_site_of_declared_threads_is_not_suspected():
    service = Service()
    assert service.until_suspected({service.thread_site(): [threading.Thread(target=poll)] * 5}) == []


@pytest.mark.parametrize(("executors", "suspects"), [(1, 0), (2, 1)])
def test_growing_workers_of_few_executors_are_not_suspected(executors, suspects):
    """Their number is bounded; with an executor per request, it is not."""
    service = Service()
    site = service.thread_site()
    site.executor = True
    living = [Executor() for _ in range(executors)]
    service.rows.census.recorder = SimpleNamespace(executor_sites=WeakKeyDictionary(dict.fromkeys(living, site)))
    assert len(service.until_suspected({site: 5})) == suspects


def test_gap_restarts_the_windows_of_sites_and_lines():
    service, line = Service(), SpawningLine(CodeLine("shop.keep", "/srv/keep.py", 1), "shop.work")
    sites = [service.thread_site(f"shop.caller{number}", line) for number in range(10)]
    for _ in range(100):
        service.growing.gap()
        assert service.scan(dict.fromkeys(sites, 1)) == []


@pytest.mark.parametrize(("is_receiving", "age"), [(False, "1 minute"), (True, "10 minutes")])
def test_growing_tasks_of_connections_need_a_longer_scale(is_receiving, age, suspended):
    """Clients connect within minutes of a start, and stay."""
    service, task = Service(), suspended.receiving() if is_receiving else suspended()
    (suspect,) = service.until_suspected({service.rows.site(): [task] * 5}, seconds=60.0)
    assert suspect.evidence.startswith(f"the tasks older than {age} rose from ")


def test_more_than_the_live_limit_is_suspected_at_once(suspended):
    service, task = Service(live_limit=5), suspended()
    site = service.rows.site()
    assert service.scan({site: [task] * 5}) == []
    (suspect,) = service.scan({site: [task]})
    assert suspect.evidence.startswith("6 are live at once, more than 5, ")
    assert list(suspect.rows) == list(range(6))
    assert not suspect.rises


def test_more_threads_than_the_live_limit_are_not_suspected():
    service = Service(live_limit=5)
    assert service.scan({service.thread_site(): 50}) == []


def test_growing_line_is_suspected_with_its_callers():
    """Each of ten callers starts one thread per minute, which is too few for any of them."""
    service, line = Service(), SpawningLine(CodeLine("shop.keep", "/srv/keep.py", 1), "shop.work")
    sites = [service.thread_site(f"shop.caller{number}", line) for number in range(10)]
    births = [dict.fromkeys(sites, 1), *[{}] * 5]
    found = next(found for _ in range(20) for each in births if (found := service.scan(each)))
    (suspect,) = found
    assert suspect.site.spawning is line
    assert suspect.site.function == "shop.keep"
    assert {caller.function for caller, _ in suspect.callers} == {site.function for site in sites}
    assert suspect.count == len(service.kept)


def test_growing_line_is_not_suspected_beside_its_sites():
    """It is suspected first, and no longer once its sites are."""
    service, line = Service(), SpawningLine(CodeLine("shop.keep", "/srv/keep.py", 1), "shop.work")
    sites = [service.thread_site(name, line) for name in ("shop.first", "shop.second")]
    births = [dict.fromkeys(sites, 2), *[{}] * 5]
    found = [[suspect.site for suspect in service.scan(each)] for _ in range(20) for each in births]
    (first,) = next(filter(None, found))
    assert first.spawning is line
    assert first not in sites
    assert found[-1] == sites


def test_growing_line_mostly_of_one_site_is_not_suspected():
    """That site will be suspected by itself."""
    service, line = Service(), SpawningLine(CodeLine("shop.keep", "/srv/keep.py", 1), "shop.work")
    guilty, other = (service.thread_site(name, line) for name in ("shop.guilty", "shop.other"))
    births = [{guilty: 4, other: 1}, *[{}] * 5]
    found = [suspect.site for _ in range(20) for each in births for suspect in service.scan(each)]
    assert set(found) == {guilty}


def test_growing_counts_are_the_sums_of_its_tallies():
    site = Rows().site()
    suspect = Growing(site, [Tally(site, 5, 0.0, (3, 1)), Tally(site, 4, 0.0, (2, 0))], [0], "")
    assert (suspect.count, suspect.old) == (9, 5)
