"""Workers, limit, queue and oldest queued call of executors, by the site that created them."""

import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest

from opentelemetry.instrumentation.concurrency.census.pace import no_pause
from opentelemetry.instrumentation.concurrency.diagnose import executor_use
from opentelemetry.instrumentation.concurrency.diagnose.executor_use import ExecutorUse, ExecutorUses, executor_rows
from opentelemetry.instrumentation.concurrency.record.internals import of_futures
from opentelemetry.instrumentation.concurrency.record.interpreter import FREE_THREADED


class Subclass(ThreadPoolExecutor):
    """An executor of the application; nothing of it may be called."""

    def __eq__(self, other):
        raise AssertionError

    def __hash__(self):
        if sys._getframe(1).f_code.co_filename == executor_use.__file__:
            raise AssertionError
        return 1

    def __getattr__(self, name):
        raise AssertionError(name)


class Hostile(queue.Queue):
    """A queue whose own methods must not be called."""

    armed = False

    def qsize(self):
        assert not self.armed
        return super().qsize()


@contextmanager
def calls_in(pool, busy, queued):
    """Workers that run a call each, and calls that wait; yields the events that end the running ones, and all calls."""
    begun, releases = threading.Semaphore(0), [threading.Event() for _ in range(busy)]

    def wait_for(release):
        begun.release()
        release.wait()

    calls = [pool.submit(wait_for, release) for release in releases]
    for _ in releases:
        begun.acquire()
    calls += [pool.submit(int) for _ in range(queued)]
    try:
        yield releases, calls
    finally:
        for release in releases:
            release.set()
        pool.shutdown()


def use_of(uses, installation, now=0.0):
    """Return the use of the only site."""
    (use,) = uses.scan(installation.census, now, no_pause).values()
    return use


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, Subclass])
def test_use_counts_workers_limit_and_queue(instrumented, kind):
    with calls_in(kind(2), 2, 3):
        use = use_of(ExecutorUses(), instrumented)
        assert (use.executors, use.idle, use.busy, use.limit, use.queued) == (1, 0, 2, 2, 3)


def test_use_counts_idle_workers(instrumented):
    pool = ThreadPoolExecutor(4)
    barrier = threading.Barrier(2)
    for call in [pool.submit(barrier.wait) for _ in range(2)]:
        call.result()
    uses = ExecutorUses()
    while use_of(uses, instrumented).busy:
        pass
    use = use_of(uses, instrumented)
    assert (use.idle, use.busy, use.limit, use.queued, use.oldest_queued_at) == (2, 0, 4, 0, None)
    pool.shutdown()


def test_use_executor_without_workers_has_a_limit(instrumented):
    pool = ThreadPoolExecutor(4)
    assert use_of(ExecutorUses(), instrumented) == ExecutorUse(1, 0, 0, 4, 0, None)
    pool.shutdown()


def test_use_executor_that_was_shut_down_is_absent(instrumented):
    pool = ThreadPoolExecutor(4)
    pool.submit(int).result()
    pool.shutdown()
    assert ExecutorUses().scan(instrumented.census, 0.0, no_pause) == {}


def test_use_executors_of_one_site_are_summed(instrumented):
    pools = [ThreadPoolExecutor(2) for _ in range(3)]
    use = use_of(ExecutorUses(), instrumented)
    assert (use.executors, use.limit) == (3, 6)
    for pool in pools:
        pool.shutdown()


def test_use_greenlets_have_no_values(instrumented, monkeypatch):
    pool = ThreadPoolExecutor(1)
    monkeypatch.setattr(executor_use, "threads_are_greenlets", lambda: True)
    assert ExecutorUses().scan(instrumented.census, 0.0, no_pause) == {}
    pool.shutdown()


@pytest.mark.skipif(FREE_THREADED, reason="the queue cannot be read while other threads change it")
def test_oldest_queued_call_has_its_age_until_it_runs(instrumented):
    uses = ExecutorUses()
    with calls_in(ThreadPoolExecutor(1), 1, 1) as (_, calls):
        assert use_of(uses, instrumented, 100.0).oldest_queued_at == 100.0
        pool_of(instrumented).submit(int)
        assert use_of(uses, instrumented, 105.0).oldest_queued_at == 100.0
        calls[1].cancel()
        assert use_of(uses, instrumented, 110.0).oldest_queued_at == 105.0


def pool_of(installation):
    (pool,) = installation.recorder.executor_sites
    return pool


@pytest.mark.skipif(FREE_THREADED, reason="the queue cannot be read while other threads change it")
def test_oldest_queued_call_drained_queue_begins_anew(instrumented):
    uses = ExecutorUses()
    with calls_in(ThreadPoolExecutor(1), 1, 2) as (releases, calls):
        use_of(uses, instrumented, 100.0)
        releases[0].set()
        calls[-1].result()
        assert use_of(uses, instrumented, 105.0).oldest_queued_at is None
        assert uses._marks == {}


@pytest.mark.skipif(FREE_THREADED, reason="the queue cannot be read while other threads change it")
def test_oldest_queued_call_marks_stay_few(instrumented):
    uses = ExecutorUses()
    with calls_in(ThreadPoolExecutor(1), 1, 0):
        for at in range(2000):
            pool_of(instrumented).submit(int)
            assert use_of(uses, instrumented, float(at)).oldest_queued_at == 0.0
        (marks,) = uses._marks.values()
    times = [at for _, at in marks]
    assert len(times) == executor_use._MAX_MARKS
    assert all(later - at - 1 <= (2000 - at) / 10 for at, later in pairwise(times))


def test_queued_calls_of_a_foreign_queue_runs_no_method(instrumented):
    """Several libraries replace the queue of an executor by one with a limit."""
    pool = ThreadPoolExecutor(1)
    pool._work_queue = Hostile(10)
    with calls_in(pool, 1, 2):
        Hostile.armed = True
        with pool._work_queue.mutex:
            use = use_of(ExecutorUses(), instrumented, 7.0)
        Hostile.armed = False
        assert (use.queued, use.oldest_queued_at) == (2, 7.0)


@pytest.mark.parametrize("found", [object(), None, queue.LifoQueue(), queue.SimpleQueue()])
def test_newest_call_unknown_queue_has_none(found):
    executor = type("Executor", (), {})()
    executor._work_queue = found
    assert of_futures.newest_call(executor, 1) is None


def test_newest_call_long_queue_has_none(monkeypatch):
    monkeypatch.setattr(of_futures, "_MAX_QUEUED", 1)
    executor = type("Executor", (), {})()
    executor._work_queue = queue.SimpleQueue()
    executor._work_queue.put(threading.Event())
    assert FREE_THREADED or of_futures.newest_call(executor, 1)() is not None
    assert of_futures.newest_call(executor, 2) is None


def test_rows_put_the_longest_queue_first(instrumented):
    uses = ExecutorUses()
    few = ThreadPoolExecutor(1)
    many = ThreadPoolExecutor(1)
    with calls_in(few, 1, 1), calls_in(many, 1, 5):
        rows = executor_rows(uses.scan(instrumented.census, 10.0, no_pause), 12.0).rows
    assert [row["queued"] for row in rows] == [5, 1]
    assert {row["function"] for row in rows} == {f"{__name__}.test_rows_put_the_longest_queue_first"}
    assert {row["oldest_queued_s"] for row in rows} == ({0.0} if FREE_THREADED else {2.0})
