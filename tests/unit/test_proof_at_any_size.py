"""More leaks never mean less evidence: the proof over few and many tasks, alone and in groups that hold them all."""

import asyncio
import gc
import sys

import anyio
import pytest
from healthy_waits import end, new_future, on, proven_among, run_on
from simulated import serve

from opentelemetry.instrumentation.concurrency.diagnose.proof import closure
from opentelemetry.instrumentation.concurrency.diagnose.proof import schedule as proof_schedule
from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import Proof, proof_on_demand, prove
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

UNWAKEABLE = "unwakeable"
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning")
GROUP_SIZES = (
    3,
    300,
    1_000,
    pytest.param(2_000, marks=pytest.mark.large),
    pytest.param(10_000, marks=pytest.mark.large),
)
COUNTS = (1, 2, 5, 19, 20, 21, 40, 100, pytest.param(1_000, marks=pytest.mark.large))
held = set()


@pytest.fixture(autouse=True)
def hold_nothing_over():
    yield
    held.clear()
    gc.collect()


@pytest.fixture
def small_closures(monkeypatch):
    """Let one closure have two thousand objects, so that some hundred tasks are too many for it."""
    monkeypatch.setattr(closure.Closure.__init__, "__defaults__", (2_000,))


async def wait_for_ever():
    await new_future()


def made_by_callbacks(count):
    async def main(park):
        loop = asyncio.get_running_loop()
        for _ in range(count):
            loop.call_soon(lambda: held.add(loop.create_task(wait_for_ever())))
        await park()

    return main


@pytest.mark.parametrize("count", COUNTS)
def test_tasks_made_by_callbacks_at_any_count_are_proven(count):
    """They have no creator that ends, and above RESIDENT_LIMIT they are not residents either."""
    service = serve(made_by_callbacks(count))
    assert sum(unwakeable for _, unwakeable in service.orphans.values()) == count
    assert {report["python.leak.verdict"] for _, report in service.events} == {UNWAKEABLE}


@pytest.mark.large
def test_ten_thousand_tasks_in_one_set_are_all_proven():
    """Each reaches the set of all by its done callback, as in the documentation of ``create_task``."""

    async def main():
        tasks = set()
        for _ in range(10_000):
            task = asyncio.ensure_future(wait_for_ever())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        del task
        await asyncio.sleep(0)
        proof = prove(iter(list(tasks)))
        await end(set(tasks))
        return proof

    proof = run_on("asyncio", main())
    assert len(proof.unwakeable) + len(proof.left_out) == proof.examined + len(proof.left_out) == 10_000
    assert len(proof.left_out) <= 3


async def read(stream):
    await stream.receive()


async def proof_over_readers(count, *, left_behind, keeps=False):
    """Start readers in an anyio group that goes on, and return what is proven of them and what is undecided."""
    streams, ends = [], asyncio.Event()

    async def run():
        async with anyio.create_task_group() as group:
            for _ in range(count):
                send, receive = anyio.create_memory_object_stream(1)
                if keeps:
                    streams.append(send)
                group.start_soon(read, receive)
            del send, receive
            await ends.wait()
            group.cancel_scope.cancel()

    host = asyncio.ensure_future(run())
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    proof = proof_on_demand(iter(asyncio.all_tasks()), left_behind=lambda task: left_behind and task is not host)
    ends.set()
    await host
    streams.clear()
    return proof


@pytest.mark.parametrize("count", [3, 30, 300])
def test_readers_left_in_a_running_group_are_proven(count, small_closures):
    proof = run_on("asyncio", proof_over_readers(count, left_behind=True))
    # Above the limit the first few are given up, to learn what need not be read again.
    assert count - 3 <= len(proof.unwakeable) <= count


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", GROUP_SIZES)
def test_readers_left_in_a_running_group_are_proven_at_any_size(count):
    """With closures of the usual size; above it the group's set of tasks connects nothing."""
    proof = run_on("asyncio", proof_over_readers(count, left_behind=True))
    assert count - 3 <= len(proof.unwakeable) <= count


@pytest.mark.parametrize("count", [3, 30, 300])
def test_readers_whose_streams_are_kept_are_not_proven(count, small_closures):
    proof = run_on("asyncio", proof_over_readers(count, left_behind=True, keeps=True))
    assert proof.unwakeable == ()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", GROUP_SIZES)
def test_members_that_their_running_owner_started_can_wake(count):
    """It can cancel them, so they are not proven at any size."""
    proof = run_on("asyncio", proof_over_readers(count, left_behind=False))
    assert proof.unwakeable == ()
    assert proof.examined == count + 1 or "reach more than" in proof.undecided


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup is new in 3.11")
def test_member_of_a_group_whose_owner_is_stuck_is_proven():
    async def stuck_group():
        async with asyncio.TaskGroup() as group:
            group.create_task(wait_for_ever())
            await new_future()

    proof, _ = proven_among(lambda start: start(stuck_group()))
    assert len(proof.unwakeable) == 2


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup is new in 3.11")
def test_deadlocked_members_of_a_running_group_are_proven():
    """Cancelling a task of an await cycle fails, so it is no help that the owner could."""

    async def main():
        tasks = {}

        async def follow(number):
            await tasks[number]

        async def run(ends):
            async with asyncio.TaskGroup() as group:
                for number in range(2):
                    tasks[number] = group.create_task(follow(1 - number))
                await ends.wait()

        ends = asyncio.Event()
        host = asyncio.ensure_future(run(ends))
        for _ in range(3):
            await asyncio.sleep(0)
        proof = proof_on_demand(iter(asyncio.all_tasks()))
        await end(set(tasks.values()))
        ends.set()
        await asyncio.wait({host}, timeout=0.1)
        return len(proof.unwakeable)

    assert run_on("asyncio", main()) == 2


def test_tasks_on_one_future_above_the_limit_are_undecided(small_closures):
    """Only a reading of all of them at once could tell; none is said to be stuck, none to be examined."""

    async def main():
        shared = new_future()
        tasks = [asyncio.ensure_future(on(shared)) for _ in range(1_000)]
        del shared
        await asyncio.sleep(0)
        proof = proof_on_demand(iter(tasks))
        await end(set(tasks))
        return proof

    proof = run_on("asyncio", main())
    assert (proof.unwakeable, proof.examined) == ((), 0)
    assert "1000 tasks reach more than" in proof.undecided


def test_proof_without_time_for_all_says_how_many_are_left(monkeypatch, small_closures):
    """What there was no time for is counted, comes first the next time, and is proven in the end."""
    monkeypatch.setattr(proof_schedule, "MAX_WORK", 30_000)
    service = serve(made_by_callbacks(1_000))
    reasons = [report["python.leak.reason"] for _, report in service.events]
    assert "more of the same site have not been examined" in reasons[0]
    assert sum(unwakeable for _, unwakeable in service.orphans.values()) == 1_000


def test_tasks_of_a_proof_that_failed_count_as_unexamined(monkeypatch):
    monkeypatch.setattr(proof_schedule, "prove", lambda *_, **__: Proof(undecided="the proof failed with ValueError"))
    unexamined = []

    async def main(park):
        await made_by_callbacks(30)(park)
        unexamined.append(current_installation().diagnosis.proofs.unexamined)

    assert serve(main).orphans == {}
    # The main task is old as well.
    assert unexamined == [31]


def test_unconfirmed_tasks_count_as_unexamined(monkeypatch):
    """Without time for a second proof, they have no verdict, and the metric must not lose them."""
    runs = []
    monkeypatch.setattr(proof_schedule.ProofSchedule, "can_afford", lambda *_: not runs)
    run = proof_schedule.ProofSchedule._run
    monkeypatch.setattr(proof_schedule.ProofSchedule, "_run", lambda *args: (run(*args), runs.append(args[2])))
    unexamined = []

    async def main(park):
        await made_by_callbacks(30)(park)
        unexamined.append(current_installation().diagnosis.proofs.unexamined)

    assert serve(main).orphans == {}
    assert (len(runs), unexamined) == (1, [30])
