"""When the impact of leaks is measured in the background, and what is known in between."""

import asyncio
import threading

import pytest
from census_rows import Rows

from opentelemetry.instrumentation.concurrency.diagnose.impact import impact as impact_module
from opentelemetry.instrumentation.concurrency.diagnose.impact.impact import ImpactWatch
from opentelemetry.instrumentation.concurrency.diagnose.proof.schedule import ProofSchedule
from opentelemetry.instrumentation.concurrency.diagnose.row_memory import DiagnosisMemory
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.diagnose.verdict.impact import NO_IMPACT
from opentelemetry.instrumentation.concurrency.diagnose.verdict.representative import Members


class Leak:
    """A group of leaked tasks that grows whenever a test says so, and how often it was measured."""

    def __init__(self, monkeypatch, interval_s=600.0):
        self.loop = asyncio.new_event_loop()
        self.rows = Rows()
        self.site = self.rows.site()
        self.tasks = []
        self.proofs = ProofSchedule(interval_s, DiagnosisMemory())
        self.watch = ImpactWatch(interval_s, self.proofs)
        self.measured = 0
        measure = impact_module.measure_memory

        def counted(*arguments, **options):
            self.measured += 1
            return measure(*arguments, **options)

        monkeypatch.setattr(impact_module, "measure_memory", counted)

    async def _hold(self, body):
        await self.loop.create_future()
        return body

    async def _sleep(self, _body):
        await asyncio.sleep(3600)

    def grow(self, count, *, sleeping=False):
        for _ in range(count):
            task = self.loop.create_task((self._sleep if sleeping else self._hold)(bytes(10_000)))
            self.tasks.append(task)
            self.rows.add(task, self.site, at=1.0)
        self.loop.run_until_complete(asyncio.sleep(0))

    def group(self, kind="task", verdict="orphaned"):
        columns = self.rows.census.tasks
        group = Group(self.site, verdict, len(columns), "", 0.0)
        group.members = Members(columns, range(len(columns)), self.rows.sites[kind])
        return group

    def scan(self, at, *, verdict="orphaned", **options):
        group = self.group(verdict=verdict)
        self.watch.scan([group], self.rows.scan(at, **options), self.rows.census, lambda: None)
        return group.impact

    def end(self):
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            self.loop.run_until_complete(asyncio.wait(self.tasks))
        self.loop.close()


@pytest.fixture
def leak(monkeypatch):
    found = Leak(monkeypatch)
    yield found
    found.end()


def test_new_group_is_measured_at_once(leak):
    leak.grow(10)
    assert 100_000 <= leak.scan(1.0).memory.bytes < 120_000
    assert leak.proofs.spent_s > 0


def test_group_that_has_grown_is_measured_again(leak):
    leak.grow(10)
    leak.scan(1.0)
    leak.grow(1)
    assert leak.scan(2.0).memory.tasks == 11 and leak.measured == 1
    assert 110_000 <= leak.scan(3.0).memory.bytes < 132_000
    leak.grow(10)
    leak.scan(4.0)
    assert leak.measured == 2
    leak.scan(700.0)
    assert leak.measured == 3


def test_group_is_not_measured_without_cpu_time(leak):
    leak.grow(10)
    leak.proofs.spent_s = 100.0
    assert leak.scan(1.0) is NO_IMPACT and leak.measured == 0


def test_final_scan_measures_nothing(leak):
    leak.grow(10)
    assert leak.scan(1.0, final=True) is NO_IMPACT


def test_group_is_measured_on_request_whatever_it_costs(leak):
    leak.grow(10)
    leak.proofs.spent_s = 100.0
    group = leak.group()
    leak.watch.measure_now([group], 1.0, leak.rows.census, lambda: None)
    assert group.impact.memory.bytes >= 100_000
    assert leak.scan(2.0).memory.bytes >= 100_000 and leak.measured == 1


def test_interval_of_zero_measures_on_request_only(monkeypatch):
    leak = Leak(monkeypatch, interval_s=0.0)
    leak.grow(1)
    assert leak.scan(1.0) is NO_IMPACT
    leak.end()


@pytest.mark.parametrize(("sleeping", "has_advice"), [(2, True), (3, False)])
def test_growing_group_gets_advice_if_most_wait_alike(leak, sleeping, has_advice):
    leak.grow(10 - sleeping)
    leak.grow(sleeping, sleeping=True)
    assert leak.scan(1.0, verdict="growing").advice.startswith("Complete what these tasks wait for") == has_advice


def test_group_of_threads_gets_advice_without_memory(leak):
    site, stop = leak.rows.site(kind="thread"), threading.Event()
    thread = leak.rows.add(threading.Thread(target=stop.wait), site, at=1.0)
    thread.start()
    columns = leak.rows.census.threads
    group = Group(site, "orphaned", 1, "", 0.0)
    group.members = Members(columns, [0], leak.rows.sites["thread"])
    leak.watch.scan([group], leak.rows.scan(1.0), leak.rows.census, lambda: None)
    stop.set()
    thread.join()
    assert group.impact.advice.startswith("Set the event") and group.impact.memory is None


def test_group_without_members_is_left_alone(leak):
    leak.grow(1)
    group = leak.group()
    group.members = None
    leak.watch.measure_now([group], 1.0, leak.rows.census, lambda: None)
    assert group.impact is NO_IMPACT


def test_interpreter_without_a_global_lock_measures_nothing(leak, monkeypatch):
    monkeypatch.setattr(impact_module, "FREE_THREADED_BUILD", True)
    leak.grow(1)
    assert leak.scan(1.0) is NO_IMPACT


def test_scan_measures_a_limited_number_of_groups(leak, monkeypatch):
    monkeypatch.setattr(impact_module, "_MOST_AT_ONCE", 0)
    leak.grow(1)
    assert leak.scan(1.0) is NO_IMPACT
