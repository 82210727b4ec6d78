"""Which tasks a proof judges when there are more than it can: one of each site in turn."""

import asyncio
from array import array
from types import SimpleNamespace

import pytest
from census_rows import Rows

from opentelemetry.instrumentation.concurrency.diagnose.proof import schedule as schedule_module
from opentelemetry.instrumentation.concurrency.diagnose.proof.schedule import ProofSchedule
from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import Proof


class Old:
    """Tasks of some sites, all old, and which of them each proof was given."""

    def __init__(self, monkeypatch, most, **counts):
        self.loop = asyncio.new_event_loop()
        self.rows, self.site_of, by_site = Rows(), {}, []
        self.tasks = []
        for name, count in counts.items():
            site = self.rows.site(name)
            first = len(self.rows.census.tasks)
            for _ in range(count):
                task = self.loop.create_task(self.wait())
                self.tasks.append(task)
                self.site_of[task] = name
                self.rows.add(task, site, at=1.0)
            by_site.append(array("L", range(first, first + count)))
        self.loop.run_until_complete(asyncio.sleep(0))
        old = array("L", range(len(self.tasks)))
        self.search = SimpleNamespace(old_rows=old, old_rows_by_site=by_site)
        self.schedule, self.judged = ProofSchedule(30.0), []
        monkeypatch.setattr(schedule_module, "MAX_SUSPECTS", most)
        monkeypatch.setattr(schedule_module, "prove", self.prove)

    async def wait(self):
        await self.loop.create_future()

    def prove(self, suspects, **_options):
        self.judged.append([self.site_of[task] for task in suspects])
        return Proof(examined=len(self.judged[-1]))

    def scan(self, at, *, final=False):
        columns = self.rows.census.tasks
        self.schedule.scan(columns, [], self.search, self.rows.scan(at, final=final), (), lambda: None)

    def close(self):
        for task in self.tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*self.tasks, return_exceptions=True))
        self.loop.close()


@pytest.fixture
def old(monkeypatch):
    made = []

    def make(most, **counts):
        made.append(Old(monkeypatch, most, **counts))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_proof_of_too_many_takes_one_of_each_site_in_turn(old):
    """Fifty tasks of one site leave room for the one of the last site."""
    tasks = old(6, crowd=50, pair=2, single=1)
    tasks.scan(100.0)
    assert sorted(tasks.judged[0]) == ["crowd", "crowd", "crowd", "pair", "pair", "single"]
    assert tasks.schedule.unexamined == 53 - 6


def test_proof_left_some_goes_on_with_those_at_the_next_scan(old):
    tasks = old(4, crowd=10)
    for at in (100.0, 110.0, 120.0):
        tasks.scan(at)
    assert list(map(len, tasks.judged)) == [4, 4, 4]
    assert tasks.schedule.unexamined == 0


def test_proof_that_judged_all_waits_for_its_interval(old):
    tasks = old(100, crowd=3)
    for at in (100.0, 110.0, 129.0):
        tasks.scan(at)
    assert len(tasks.judged) == 1
    tasks.scan(130.0)
    assert len(tasks.judged) == 2


def test_proof_in_the_final_scan_is_none(old):
    tasks = old(100, crowd=3)
    tasks.scan(100.0, final=True)
    assert tasks.judged == []


def test_proof_over_its_share_of_a_core_waits(old):
    tasks = old(4, crowd=10)
    tasks.scan(100.0)
    tasks.schedule.spent_s = 3.5
    tasks.scan(110.0)
    assert len(tasks.judged) == 1
    tasks.scan(100.0 + 51.0)
    assert len(tasks.judged) == 2
