"""Which tasks a proof judges when there are more than it can: one of each site in turn."""

import asyncio
from array import array
from contextlib import contextmanager
from types import SimpleNamespace
from weakref import ref

import pytest
from census_rows import Rows

from opentelemetry.instrumentation.concurrency.diagnose.introspection.stalls import StallMark
from opentelemetry.instrumentation.concurrency.diagnose.proof import schedule as schedule_module
from opentelemetry.instrumentation.concurrency.diagnose.proof.schedule import ProofSchedule
from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import LEADS_TOO_FAR, Proof, Stuck
from opentelemetry.instrumentation.concurrency.diagnose.proof.woken_by_handles import FEW_OBJECTS
from opentelemetry.instrumentation.concurrency.diagnose.row_memory import DiagnosisMemory
from opentelemetry.instrumentation.concurrency.diagnose.states import ProofState


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
        self.schedule, self.judged = ProofSchedule(30.0, DiagnosisMemory()), []
        self.cpu_s, self.cost_s, self.finds_stuck = 0.0, 0.0, False
        self.is_busy, self.reaches = False, []
        monkeypatch.setattr(schedule_module, "time", SimpleNamespace(thread_time=lambda: self.cpu_s))
        monkeypatch.setattr(schedule_module, "MAX_SUSPECTS", most)
        monkeypatch.setattr(schedule_module, "prove", self.prove)

    async def wait(self):
        await self.loop.create_future()

    def prove(self, suspects, *, reach, **_options):
        suspects = list(suspects)
        self.reaches.append(reach)
        if self.is_busy:
            self.cpu_s += self.cost_s * len(suspects)
            return Proof(undecided=LEADS_TOO_FAR, left_out=frozenset(map(id, suspects)))
        self.judged.append([self.site_of[task] for task in suspects])
        self.cpu_s += self.cost_s * len(suspects)
        stuck = (
            [Stuck(ref(task), StallMark(task._fut_waiter, callable)) for task in suspects] if self.finds_stuck else []
        )
        return Proof(tuple(stuck), examined=len(suspects))

    def results(self):
        """Return the results by row."""
        return self.schedule._results.of(self.rows.census.tasks).proof

    def proven(self):
        """Return how many tasks of each site are proven."""
        proof = self.results()
        found = [self.site_of[task] for row, task in enumerate(self.tasks) if proof[row] == ProofState.PROVEN]
        return {name: found.count(name) for name in set(self.site_of.values())}

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


def test_final_scan_runs_no_proof(old):
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


def test_proof_of_many_new_tasks_leaves_time_to_confirm(old):
    """Each site has proven tasks after two scans, though two proofs of all of them would take four times as long."""
    tasks = old(10_000, session=4_000, reader=4_000)
    tasks.cost_s, tasks.finds_stuck = 0.0008, True
    for at in (100.0, 105.0):
        tasks.scan(at)
    assert tasks.proven() == {"session": 150, "reader": 150}
    for at in (110.0, 115.0):
        tasks.scan(at)
    assert tasks.proven() == {"session": 878, "reader": 878}
    assert tasks.schedule.unexamined == 8_000 - 2 * 878


def test_proof_of_new_tasks_examines_as_many_known_ones(old, monkeypatch):
    """A leak that goes on is not proven again from its first task each time."""
    monkeypatch.setattr(schedule_module, "FEW", 10)
    tasks = old(1_000, leak=100)
    tasks.finds_stuck = True
    proof = tasks.results()
    for row in range(80):
        proof[row] = ProofState.PROVEN
    tasks.schedule._is_unfinished = True
    tasks.scan(100.0)
    assert len(tasks.judged[0]) == 40


def test_proof_of_all_tasks_does_not_wait_forever_for_new_ones(old, monkeypatch):
    """A leak that goes on does not keep an older task, whose last reference has gone, from being examined again."""
    monkeypatch.setattr(schedule_module, "FEW", 10)
    tasks = old(1_000, leak=100)
    proof = tasks.results()
    for at in range(100, 250, 10):
        for row in range(100):
            proof[row] = ProofState.NEW if row < 5 else ProofState.WAKEABLE
        tasks.schedule._is_unfinished = True
        tasks.scan(float(at))
    assert [len(judged) for judged in tasks.judged].count(100) == 2


def test_proof_over_budget_is_followed_by_smaller_ones(old):
    tasks = old(10_000, leak=3_000)
    tasks.cost_s = 0.001
    tasks.scan(100.0)
    tasks.scan(105.0)
    assert list(map(len, tasks.judged)) == [300, 1_375]


def test_scan_beside_a_proof_on_request_runs_no_proof(old, monkeypatch):
    tasks = old(1_000, leak=10)

    @contextmanager
    def taken():
        yield False

    with monkeypatch.context() as patched:
        patched.setattr(tasks.schedule.turn, "attempt", taken)
        tasks.scan(100.0)
    assert tasks.judged == []
    tasks.scan(105.0)
    assert [len(judged) for judged in tasks.judged] == [10]


LONG, SHORT = None, FEW_OBJECTS


def test_proof_walks_a_short_way_first_and_a_long_one_at_the_third_attempt(old):
    """A request that is being served may lead to everything, and the next moment to nothing."""
    tasks = old(10, a=3)
    tasks.is_busy = True
    for at in range(13):
        tasks.scan(at)
    assert tasks.reaches == [SHORT, SHORT, LONG, *[SHORT] * 9, LONG]


def test_proof_whose_short_ways_led_to_results_walks_a_long_one_at_the_tenth_attempt(old):
    """Under load a long walk fails as a short one does, and costs much more."""
    tasks = old(10, a=3)
    tasks.finds_stuck = True
    tasks.scan(0)
    tasks.is_busy = True
    for at in range(1, 21):
        tasks.scan(at)
    assert tasks.reaches[1:] == [*[SHORT] * 9, LONG, *[SHORT] * 9, LONG]


def test_proofs_without_results_leave_time_for_one_with_results(old):
    """The allowance of the start lasts until a moment at which no request leads to everything."""
    tasks = old(1_000, a=300)
    tasks.is_busy, tasks.finds_stuck, tasks.cost_s = True, True, 0.001
    for at in range(60):
        tasks.scan(at)
    assert 0.4 < tasks.schedule._left_s(60) < 0.9
    tasks.is_busy = False
    for at in (90, 95):
        tasks.scan(at)
    assert tasks.proven() == {"a": 300}


def test_scan_that_can_confirm_a_proof_is_announced(old):
    tasks = old(10, a=3)
    assert not tasks.schedule.can_confirm(0.0)
    tasks.finds_stuck = True
    tasks.scan(0)
    assert tasks.schedule.can_confirm(1.0)
    tasks.schedule.spent_s = 10.0
    assert not tasks.schedule.can_confirm(1.0)
    tasks.schedule.spent_s = 0.0
    tasks.scan(2)
    assert not tasks.schedule.can_confirm(3.0)


def test_proof_keeps_to_the_way_that_led_to_results(old):
    tasks = old(10, a=3)
    tasks.is_busy = True
    for at in range(2):
        tasks.scan(at)
    tasks.is_busy = False
    for at in (2, 40, 80):
        tasks.scan(at)
    assert tasks.reaches == [SHORT, SHORT, LONG, LONG, LONG]


def test_proof_that_leads_too_far_changes_no_result(old):
    """Tasks found stuck need no second time, proven ones stay proven, and its cost says nothing about a task's."""
    tasks = old(10, a=3)
    tasks.finds_stuck = True
    tasks.scan(0)
    assert set(tasks.results()) == {ProofState.SEEN_STUCK}
    tasks.is_busy, tasks.cost_s = True, 0.1
    tasks.scan(1)
    assert set(tasks.results()) == {ProofState.SEEN_STUCK}
    assert tasks.schedule._cost_s == 0
    assert "timers and connections" in tasks.schedule.undecided
    tasks.is_busy, tasks.cost_s = False, 0.0
    tasks.scan(2)
    assert set(tasks.results()) == {ProofState.PROVEN}
