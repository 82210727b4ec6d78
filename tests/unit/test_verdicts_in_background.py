"""What the scans find alone, in services that run for simulated minutes: proofs, deadlocks, growth, and their end."""

import asyncio
import gc
import threading
from itertools import pairwise

import pytest
from simulated import serve

UNWAKEABLE = "unwakeable"
held = set()


@pytest.fixture(autouse=True)
def hold_nothing_over():
    yield
    held.clear()
    gc.collect()


def hold(task):
    held.add(task)
    task.add_done_callback(held.discard)
    return task


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


def reports(service, verdict):
    return [attributes for _, attributes in service.events if attributes.get("python.leak.verdict") == verdict]


def test_await_cycle_without_creator_is_proven():
    """Main made them and lives, each is owned, and they are few: no orphans, no crowd, a deadlock all the same."""

    async def main(park):
        tasks = {}

        async def follow(number):
            await tasks[(number + 1) % 3]

        for number in range(3):
            tasks[number] = asyncio.ensure_future(follow(number))
        await park()

    service = serve(main)
    report, *_again = reports(service, UNWAKEABLE)
    assert report["python.leak.count"] == 3
    assert "2 other tasks await each other in a cycle" in report["python.leak.reason"]
    assert sum(service.orphans["main"]) == 3
    assert [sorted(task.deadlock) != [] for task in service.snapshot.tasks].count(True) == 3


def test_tasks_that_await_each_other_in_a_row_are_silent():
    async def main(park):
        last = asyncio.get_running_loop().create_future()
        held.add(last)

        async def follow(number):
            await (asyncio.ensure_future(follow(number - 1)) if number else last)

        first = asyncio.ensure_future(follow(5))
        await park()
        last.set_result(None)
        await first

    service = serve(main)
    assert service.events == [] and service.orphans == {}


def test_unwakeable_resident_is_proven():
    async def main(park):
        hold(asyncio.ensure_future(wait_for_ever()))
        await park()

    service = serve(main)
    report, *_again = reports(service, UNWAKEABLE)
    assert report["python.leak.count"] == 1
    assert "nothing that still runs holds what it waits for" in report["python.leak.reason"]


def test_resident_whose_future_is_kept_is_silent():
    async def main(park):
        waker = asyncio.get_running_loop().create_future()
        worker = asyncio.ensure_future(asyncio.wait({waker}))
        await park()
        waker.set_result(None)
        await worker

    service = serve(main)
    assert service.events == [] and service.orphans == {}


def test_no_proof_interval_disables_background_proofs():
    async def main(park):
        hold(asyncio.ensure_future(wait_for_ever()))
        await park()

    assert serve(main, proof_interval=0).events == []


def test_site_with_proven_and_other_orphans_has_both():
    kept = []

    async def main(park):
        async def handle(number):
            if number % 2:
                hold(asyncio.ensure_future(wait_for_ever() if number % 4 == 1 else asyncio.wait({kept[-1]})))

        kept.append(asyncio.get_running_loop().create_future())
        await park.requests(handle, 60)
        await park()
        kept[-1].set_result(None)

    service = serve(main)
    assert service.orphans["handle"] == (15, 15)
    assert {report["python.leak.verdict"] for _, report in service.events} >= {"orphaned", UNWAKEABLE}
    kept.clear()


def fill(count, until):
    """A service at whose only line tasks are started, two a minute, until ``until`` minutes; then they all end."""

    async def main(park):
        end = asyncio.Event()
        started = []

        async def work():
            await end.wait()

        async def start():
            started.append(asyncio.ensure_future(work()))

        # Who starts them lives as long as they do, so that they are no orphans.
        async def serve_for_ever():
            while len(started) < count:
                await ticks.get()
                await start()
            await end.wait()

        ticks = asyncio.Queue()
        server = asyncio.ensure_future(serve_for_ever())
        for _ in range(count):
            ticks.put_nowait(None)
            await park.advance(60 * until / count)
        await park(at=None)
        end.set()
        await server
        await asyncio.wait(started)
        started.clear()
        await park.advance(600)

    return main


def test_growing_site_is_suspected_and_resolved_when_it_shrinks():
    service = serve(fill(120, until=40))
    assert service.suspects == {"start"}
    suspected, *doubled = service.events_named("python.leak.suspected")
    counts = [report["python.leak.count"] for report in (suspected, *doubled)]
    assert all(later >= 2 * earlier for earlier, later in pairwise(counts))
    assert suspected["python.leak.verdict"] == "growing"
    assert "never fell" in suspected["python.leak.reason"]
    (resolved,) = service.events_named("python.leak.resolved")
    assert resolved["python.leak.fingerprint"] == suspected["python.leak.fingerprint"]


def test_site_that_is_filled_once_is_never_suspected():
    service = serve(fill(120, until=3))
    assert service.suspects == set() and service.events == []


@pytest.mark.parametrize("daemon", [True, False])
def test_thread_that_keeps_the_process_alive_is_named_as_such(daemon):
    stop = threading.Event()

    async def main(park):
        def handle(number):
            threading.Thread(target=stop.wait, daemon=daemon).start()

        await park.requests(handle, 30)
        await park()

    service = serve(main)
    stop.set()
    (report,) = service.events_named("python.thread.orphaned")[:1]
    assert ("keeps the process from ending" in report["python.leak.reason"]) is not daemon
