"""One proof at a time, and no inspection by another thread while references are counted."""

import asyncio
import threading

from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Closure
from opentelemetry.instrumentation.concurrency.diagnose.proof.turn import Turn
from opentelemetry.instrumentation.concurrency.diagnose.proof_now import prove_now
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


class Holder:
    """Another thread that has the turn until it is released."""

    def __init__(self, turn):
        self._turn, self._has_it, self._done = turn, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self):
        self._thread.start()
        assert self._has_it.wait(10)

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _hold(self):
        with self._turn.wait():
            self._has_it.set()
            assert self._done.wait(10)


def test_attempt_free_turn_may_run():
    turn = Turn()
    with turn.attempt() as may_run:
        assert may_run
    with turn.attempt() as may_run:
        assert may_run


def test_attempt_of_the_same_thread_may_run():
    turn = Turn()
    with turn.wait(), turn.attempt() as may_run:
        assert may_run


def test_attempt_beside_another_proof_is_postponed_a_few_times():
    """A turn that is never given back does not stop proofs."""
    turn, outcomes = Turn(), []
    with Holder(turn):
        for _ in range(6):
            with turn.attempt() as may_run:
                outcomes.append(may_run)
    assert outcomes == [False] * 5 + [True]


def test_wait_without_the_turn_goes_on_after_the_timeout():
    turn = Turn()
    with Holder(turn), turn.wait(0.0):
        pass
    with turn.attempt() as may_run:
        assert may_run


def test_prove_now_waits_for_the_snapshot_of_another_thread(instrumented, monkeypatch):
    """A snapshot holds for an instant what a task waits for: counted then, it would make the task wakeable."""
    census, threads = instrumented.census, []
    ended = threading.Event()
    add = Closure.add

    def inspect(waiters, has_lock):
        with census.locked():
            waiter = waiters.pop()
            has_lock.set()
            while not census._waiting and not ended.wait(0.001):
                pass
            del waiter

    def add_and_be_inspected(self, start, **options):
        start = list(start)
        add(self, start, **options)
        waiters = [task._fut_waiter for task in start if isinstance(task, asyncio.Task)]
        if waiters:
            has_lock = threading.Event()
            threads.append(threading.Thread(target=inspect, args=(waiters, has_lock)))
            threads[-1].start()
            assert has_lock.wait(10)

    monkeypatch.setattr(Closure, "add", add_and_be_inspected)

    async def leak():
        await asyncio.get_running_loop().create_future()

    async def main():
        task = asyncio.create_task(leak())
        await asyncio.sleep(0)
        try:
            return len(prove_now(census, current_installation().diagnosis).reasons)
        finally:
            ended.set()
            task.cancel()

    proven = asyncio.run(main())
    for thread in threads:
        thread.join()
    assert threads
    assert proven == 1
