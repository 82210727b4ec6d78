"""What the proof promises: two in a row agree, nothing is asked or kept, and where it gives no verdict it says so."""

import asyncio
import gc
import sys
import weakref

import pytest
from healthy_waits import LOOPS, end, new_future, on, proven_among, run_on

from opentelemetry.instrumentation.concurrency.diagnose.introspection.stalls import StallMark
from opentelemetry.instrumentation.concurrency.diagnose.proof import closure, wakeability
from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import (
    Proof,
    ProofMemory,
    evidence,
    proof_on_demand,
    prove,
)


def tasks_that_await_each_other(start):
    tasks = {}

    async def follow(number):
        await tasks[number]

    for number in range(3):
        tasks[number] = start(follow((number + 1) % 3))


def test_deadlock_is_named_by_its_tasks():
    proof, _ = proven_among(tasks_that_await_each_other)
    ((*cycle,),) = proof.cycles
    assert len(cycle) == 3
    assert evidence(cycle) == "it and 2 other tasks await each other in a cycle"
    assert evidence(()) == "nothing that still runs holds what it waits for"


def test_awaiter_is_as_wakeable_as_the_awaited_task():
    """It is taken into the proof; if it lives, so does who awaits it."""

    async def main():
        stuck, asleep = asyncio.ensure_future(on(new_future())), asyncio.ensure_future(asyncio.sleep(60))
        first, second = asyncio.ensure_future(on(stuck)), asyncio.ensure_future(on(asleep))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        proof = proof_on_demand([first, second])
        found = [reference() is first for reference in proof.unwakeable if reference() in (first, second)]
        await end({stuck, asleep, first, second})
        return found

    assert run_on("asyncio", main()) == [True]


@pytest.mark.parametrize("kind", LOOPS)
def test_sleeper_beside_a_collection_does_not_save_its_tasks(kind):
    """As with ``background_tasks``: whoever holds tasks might cancel them, but nothing says that it will."""

    async def main():
        workers = [asyncio.ensure_future(on(new_future())) for _ in range(3)]
        named = {"workers": set(workers)}
        sleeper = asyncio.ensure_future(beside(named))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        proof = await loop.run_in_executor(None, proof_on_demand, list(workers))
        await end({*workers, sleeper})
        return len(proof.unwakeable), proof.undecided

    async def beside(named):
        await asyncio.sleep(3600)
        return named

    assert run_on(kind, main()) == (3, "")


def test_first_proof_alone_counts_for_nothing():
    memory = ProofMemory()

    async def main():
        task = asyncio.ensure_future(on(new_future()))
        await asyncio.sleep(0)
        first = prove([task])
        assert memory.confirm(first) == ()
        assert len(memory.confirm(prove([task]))) == 1
        memory.forget()
        assert memory.confirm(prove([task])) == ()
        await end({task})

    run_on("asyncio", main())


def test_waiter_changed_between_proofs_is_not_proven():
    async def main():
        async def two_waits(first):
            await first
            del first
            await new_future()

        first = new_future()
        hidden = StallMark(first, callable)
        task = asyncio.ensure_future(two_waits(first))
        del first
        await asyncio.sleep(0)
        memory = ProofMemory()
        assert len(prove([task]).stuck) == 1
        memory.confirm(prove([task]))
        hidden().set_result(None)
        await asyncio.sleep(0)
        assert memory.confirm(prove([task])) == ()
        await end({task})

    run_on("asyncio", main())


def test_loop_that_hides_its_timers_gives_no_verdict_and_says_so():
    class HidingLoop(asyncio.SelectorEventLoop):
        def call_at(self, *args, **kwargs):
            return super().call_at(*args, **kwargs)

    async def main():
        task = asyncio.ensure_future(on(new_future()))
        await asyncio.sleep(0)
        proof = proof_on_demand([task])
        await end({task})
        return proof

    loop = HidingLoop()
    proof = loop.run_until_complete(main())
    loop.close()
    assert proof.unwakeable == () and "HidingLoop" in proof.undecided


def test_task_whose_loop_hides_its_timers_counts_as_left_out():
    class HidingLoop(asyncio.SelectorEventLoop):
        def call_at(self, *args, **kwargs):
            return super().call_at(*args, **kwargs)

    async def main():
        task = asyncio.ensure_future(on(new_future()))
        await asyncio.sleep(0)
        proof = prove(iter([task]))
        await end({task})
        return proof, id(task)

    loop = HidingLoop()
    (proof, address) = loop.run_until_complete(main())
    loop.close()
    assert (proof.examined, proof.left_out) == (0, {address})


def test_loop_without_the_examined_tasks_leaves_the_proof_whole():
    """Its timers count as well; those of the loops of the tasks are not asked twice."""
    other = asyncio.new_event_loop()

    async def main():
        task = asyncio.ensure_future(on(new_future()))
        await asyncio.sleep(0)
        proof = proof_on_demand([task], loops=[other, asyncio.get_running_loop()])
        await end({task})
        return proof

    proof = asyncio.run(main())
    other.close()
    assert (len(proof.unwakeable), proof.undecided) == (1, "")


def test_timer_of_another_loop_wakes_the_task():
    other = asyncio.new_event_loop()

    async def main():
        future = new_future()
        task = asyncio.ensure_future(on(future))
        await asyncio.sleep(0)
        timer = other.call_later(3600, future.cancel)
        del future
        proof = proof_on_demand([task], loops=[other])
        timer.cancel()
        await end({task})
        return proof

    proof = asyncio.run(main())
    other.close()
    assert proof.unwakeable == ()


def test_task_that_only_the_second_proof_left_out_counts_as_not_examined(monkeypatch):
    """Only what both proofs examined has a result, however the first left a task out."""
    proofs = iter(
        [
            Proof(examined=1, left_out=frozenset({1}), not_reached=frozenset({2, 3})),
            Proof(examined=2, left_out=frozenset({3}), not_reached=frozenset({1})),
        ]
    )
    monkeypatch.setattr(wakeability, "prove", lambda *_, **_options: next(proofs))
    # The second proof examined task 2, which the first had not reached, and one more that both examined.
    assert proof_on_demand([]).examined == 1


def test_interpreter_without_lock_gives_no_verdict_and_says_so(monkeypatch):
    monkeypatch.setattr(wakeability, "FREE_THREADED_BUILD", True)
    assert "no global lock" in prove([]).undecided


def ballast():
    return [[number] for number in range(closure.MAX_OBJECTS)]


def test_closure_that_is_too_large_gives_no_verdict_and_says_so():
    """All that it reaches is its own."""
    proof, _ = proven_among(lambda start: (start(on_with(ballast())), start(on(new_future()))))
    assert len(proof.unwakeable) == 1 and "50000 objects" in proof.undecided


def test_task_that_reaches_the_whole_service_is_proven():
    """What running code holds as well is found to be live in a small closure, and need not be read."""
    service = ballast()
    proof, _ = proven_among(lambda start: (start(on_with(service)), start(on(new_future()))))
    assert (len(proof.unwakeable), proof.undecided) == (2, "")


def test_too_much_work_gives_no_verdict_and_says_so(monkeypatch):
    monkeypatch.setattr(closure, "MAX_WORK", 100)
    proof, _ = proven_among(lambda start: start(on_with([[number] for number in range(5000)])))
    assert proof.unwakeable == () and "deferred to the next proof" in proof.undecided


def test_more_tasks_than_one_reading_takes_are_proven_in_batches(monkeypatch):
    monkeypatch.setattr(closure.Closure.__init__, "__defaults__", (200,))
    proof, count = proven_among(lambda start: [start(on(new_future())) for _ in range(100)])
    assert (len(proof.unwakeable), proof.undecided) == (count, "")


async def on_with(ballast):
    await new_future()
    return ballast


def test_proof_leaves_no_reference_behind():
    class Kept:
        pass

    async def main():
        async def wait(kept):
            await new_future()

        kept = Kept()
        seen = weakref.ref(kept)
        task = asyncio.ensure_future(wait(kept))
        del kept
        await asyncio.sleep(0)
        assert len(proof_on_demand([task]).unwakeable) == 1
        await end({task})
        del task
        gc.collect()
        return seen()

    assert run_on("asyncio", main()) is None


class Liar:
    """Lies about everything that a careless observer would ask."""

    __hash__ = None

    def __init__(self):
        self.asked = []

    @property
    def __class__(self):
        self.asked.append("__class__")
        return asyncio.Task

    def __eq__(self, other):
        self.asked.append("__eq__")
        raise RuntimeError

    def __getattr__(self, name):
        self.__dict__["asked"].append(name)
        raise RuntimeError

    def __bool__(self):
        self.asked.append("__bool__")
        raise RuntimeError


def test_objects_that_lie_are_never_asked():
    liars = [Liar() for _ in range(5)]
    proof, count = proven_among(lambda start: start(on_with(liars)))
    assert len(proof.unwakeable) == count
    assert [liar.asked for liar in liars] == [[]] * 5


def test_ten_thousand_nested_coroutines_are_no_recursion():
    async def nest(depth):
        if depth:
            await nest(depth - 1)
        else:
            await new_future()

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(4000)
    try:
        proof, count = proven_among(lambda start: start(nest(900)))
    finally:
        sys.setrecursionlimit(before)
    assert len(proof.unwakeable) == count
