"""When scans are due: across forks, by what they cost, and seldom in a process that does nothing."""

import threading

import pytest

from opentelemetry.instrumentation.concurrency.census.schedule import ScanSchedule

MANY = 100_000


class Time:
    """Clocks that move by hand."""

    def __init__(self):
        self.now = 1000.0
        self.others_s = 50.0
        self.tasks = 10

    def schedule(self, interval_s=5.0, has_creations=False):
        return ScanSchedule(
            interval_s, lambda: self.now, lambda: self.others_s, lambda: has_creations, lambda: self.tasks
        )

    def pass_until_due(self, schedule):
        """Return the seconds that passed."""
        began = self.now
        while (left := schedule.left_s()) > 0:
            self.now += left
        return self.now - began


@pytest.fixture
def time():
    return Time()


def test_scan_that_is_due_stays_due_when_the_thread_restarts(time):
    """A process that forks more often than the interval is scanned all the same."""
    schedule = time.schedule()
    for _ in range(3):
        schedule.begin()
        time.now += 2
    assert schedule.left_s() <= 0


def test_cost_of_a_scan_stretches_the_gap_to_one_per_cent(time):
    schedule = time.schedule()
    schedule.scanned(0.2, live=MANY)
    assert schedule.left_s() == schedule.expected_gap_s == 20


def test_scan_that_can_confirm_a_proof_is_early_and_the_next_one_pays_for_both(time):
    """Not two in succession, so that scans keep to their share of a core under a leak that goes on."""
    schedule = time.schedule()
    schedule.awaits_proof = True
    gaps = []
    for _ in range(4):
        schedule.scanned(0.2, live=MANY)
        gaps.append(schedule.left_s())
    assert gaps == [5, 40, 5, 40]


def test_scan_that_can_confirm_a_proof_is_early_in_an_idle_process_too(time):
    schedule = time.schedule()
    schedule.awaits_proof = True
    schedule.scanned(1.0, live=MANY)
    assert time.pass_until_due(schedule) == 5


def test_scan_in_an_idle_process_is_postponed_to_a_twentieth_of_that(time):
    schedule = time.schedule()
    schedule.scanned(0.055, live=MANY)
    waited = time.pass_until_due(schedule)
    assert 110 <= waited <= 120
    assert schedule.expected_gap_s == pytest.approx(waited)


def test_scan_of_idle_process_is_postponed_by_what_its_proofs_took_too(time):
    """Proofs have a budget of their own, so that they do not delay the scans of a busy process."""
    schedule = time.schedule()
    schedule.scanned(0.01, 0.045, live=MANY)
    assert schedule.left_s() == 5
    assert 110 <= time.pass_until_due(schedule) <= 120


def test_small_scan_in_an_idle_process_is_not_postponed_by_its_proof(time):
    """What it finds, such as the end of a leak, is reported without delay; the next proof is due much later."""
    schedule = time.schedule()
    schedule.scanned(0.004, 1.0, live=MANY)
    assert time.pass_until_due(schedule) == 5


def test_scan_of_idle_process_is_postponed_by_half_an_hour(time):
    schedule = time.schedule()
    schedule.scanned(1.0, live=MANY)
    assert 1800 <= time.pass_until_due(schedule) <= 1805


def test_scan_is_postponed_by_five_minutes_if_a_task_was_created(time):
    schedule = time.schedule(has_creations=True)
    schedule.scanned(1.0, live=MANY)
    assert 300 <= time.pass_until_due(schedule) <= 305


def test_scan_is_postponed_by_five_minutes_if_a_task_has_ended(time):
    """A leak that is over must not be shown for half an hour."""
    schedule = time.schedule()
    schedule.scanned(1.0, live=MANY)
    time.tasks -= 1
    assert 300 <= time.pass_until_due(schedule) <= 305


@pytest.mark.parametrize(("live", "waits"), [(1_000, 5), (1_001, 90)])
def test_scan_of_few_tasks_is_not_postponed_whatever_it_took(time, live, waits):
    """The first scans run cold code, and a machine may be slow."""
    schedule = time.schedule()
    schedule.scanned(0.045, live=live)
    assert waits <= time.pass_until_due(schedule) <= waits + 5


def test_scan_is_postponed_by_five_minutes_if_a_site_is_said_to_rise(time):
    """Only further scans can say that it has stopped growing."""
    schedule = time.schedule()
    schedule.has_rising = True
    schedule.scanned(1.0, live=MANY)
    assert 300 <= time.pass_until_due(schedule) <= 305


def test_creations_and_rises_reach_the_schedule(run, monkeypatch):
    import asyncio

    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
    from opentelemetry.instrumentation.concurrency.diagnose.diagnosis import Diagnosed
    from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

    def scan():
        census.scan()
        schedule.scanned(0.0, live=0)

    async def main():
        scan()
        assert not schedule.has_news()
        task = asyncio.create_task(asyncio.Event().wait())
        assert schedule.has_news()
        scan()
        assert not schedule.has_news()
        monkeypatch.setattr(installation.diagnosis, "scan", lambda *_: Diagnosed(has_rising=True))
        census.scan()
        assert schedule.has_news()
        task.cancel()

    ConcurrencyInstrumentor().instrument(scan_interval=1000)
    try:
        installation = current_installation()
        census = installation.census
        schedule = census.schedule
        run(main)
    finally:
        ConcurrencyInstrumentor().uninstrument()


def test_scan_in_a_busy_process_is_not_postponed(time):
    schedule = time.schedule()
    schedule.scanned(0.05, live=MANY)
    time.now += 5
    time.others_s += 2
    assert schedule.left_s() <= 0


def test_small_scan_in_an_idle_process_is_not_postponed(time):
    schedule = time.schedule(0.05)
    schedule.scanned(0.0005, live=MANY)
    time.now += 0.05
    assert schedule.left_s() <= 1e-9


def test_scan_overdue_is_starving_later_if_it_costs_more(time):
    schedule = time.schedule(1.0)
    schedule.scanned(0.01, live=MANY)
    time.now += 1.5
    time.others_s += 1.5
    assert not schedule.is_starving()
    time.now += 1
    assert schedule.is_starving()
    schedule.scanned(0.1, live=MANY)
    time.now += 12
    assert not schedule.is_starving()
    time.now += 4
    assert schedule.is_starving()


def test_scan_schedule_of_a_child_begins_anew(time):
    schedule = time.schedule()
    schedule.begin()
    time.now += 50
    schedule.forget()
    schedule.begin()
    assert schedule.left_s() == 5


@pytest.mark.parametrize("waits", [False, True])
def test_scan_before_a_fork_stops_unless_it_starves(run, waits):
    """Broken off it stays due, and the next one finds everything."""
    import asyncio

    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
    from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

    async def wait(future):
        await future

    async def main():
        ConcurrencyInstrumentor().instrument(agent_disabled=True, scan_interval=0.01, reports="none")
        census = current_installation().census
        future = asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(wait(future)) for _ in range(3_000)]
        await asyncio.sleep(0)
        census.schedule.is_starving = lambda: waits
        inside, scans = threading.Event(), []
        pause = census._pause

        def pausing():
            inside.set()
            pause()

        census._pause = pausing
        census._on_scan = lambda scan, _pause: scans.append(sum(tally.live for tally in scan.tasks))
        census.ensure_running()
        while not inside.is_set():
            await asyncio.sleep(0.001)
        before = len(scans)
        census.suspend()
        broken_off = len(scans) == before
        census.scan()
        future.set_result(None)
        await asyncio.gather(*tasks)
        # More where earlier tests left tasks, or where a scan before has entered the main task.
        return broken_off, scans[-1] >= 3_000

    try:
        assert run(main) == (not waits, True)
    finally:
        ConcurrencyInstrumentor().uninstrument()


def test_schedule_that_judges_without_work_explains_no_gap():
    """A process that is stopped while it judges has a gap, one whose proof takes long has none."""
    now = iter([0.0, 3600.0])
    schedule = ScanSchedule(5.0, monotonic=lambda: next(now))
    with schedule.judging():
        pass
    assert schedule.judging_s < 60.0


def test_schedule_that_judges_long_explains_the_delay():
    now = iter([0.0, 0.001])
    schedule = ScanSchedule(5.0, monotonic=lambda: next(now))
    with schedule.judging():
        sum(range(100_000))
    assert schedule.judging_s == 0.001


def test_scan_is_not_postponed_before_everything_is_judged(time):
    """Tasks that the last request left behind get old while nothing else happens."""
    schedule = time.schedule()
    schedule.settle_s = 170.0
    time.others_s += 3
    schedule.begin()
    began, gaps = time.now, {}
    while time.now < began + 1000:
        schedule.scanned(0.055, live=MANY)
        scanned_at = time.now
        while (left := schedule.left_s()) > 0:
            time.now += left
        gaps[scanned_at - began] = time.now - scanned_at
    assert max(gap for at, gap in gaps.items() if at < 160) < 6
    assert min(gap for at, gap in gaps.items() if at > 170) >= 55
