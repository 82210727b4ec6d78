"""What is an orphan and what is not, in services that run for simulated minutes; and what is reported of it."""

import asyncio
import gc
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from simulated import serve

from opentelemetry.instrumentation.concurrency import long_lived

LEAKS = 30
ORPHANED = "python.asyncio.task.orphaned"
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


def leaking_service(start, count=LEAKS):
    """A service whose requests call ``start``."""

    async def main(park):
        async def handle(number):
            start()

        await park.requests(handle, count)
        await park()

    return main


def leak():
    hold(asyncio.ensure_future(wait_for_ever()))


def all_of(service, function):
    return sum(service.orphans.get(function, (0, 0)))


def test_task_leaked_by_each_request_is_an_orphan():
    service = serve(leaking_service(leak))
    assert all_of(service, "leak") == LEAKS
    (report,) = service.events_named(ORPHANED)[:1]
    assert report["python.leak.count"] > 0
    assert report["code.function.name"].endswith(".leak")


def declared_by_block():
    with long_lived("keeps the connection of each client open"):
        hold(asyncio.ensure_future(wait_for_ever()))


@long_lived("runs until its client goes")
async def declared_coroutine():
    await asyncio.get_running_loop().create_future()


def declared_by_coroutine():
    hold(asyncio.ensure_future(declared_coroutine()))


@long_lived("started by a function that says so")
def declared_by_function():
    hold(asyncio.ensure_future(wait_for_ever()))


@pytest.mark.parametrize("start", [declared_by_block, declared_by_coroutine, declared_by_function])
def test_declared_tasks_are_counted_and_never_orphans(start):
    service = serve(leaking_service(start))
    assert service.orphans == {} and service.events == []
    assert [group.count for group in service.snapshot.by_site if group.site.function.endswith(start.__name__)] == [
        LEAKS
    ]


@long_lived("a server for as long as the process lives")
async def declared_server(requests):
    while True:
        await requests.get()
        hold(asyncio.ensure_future(wait_for_ever()))


async def declared_server_whose_requests_leak(requests):
    while True:
        number = await requests.get()
        hold(asyncio.ensure_future(answer(number)))


async def answer(number):
    leak_in_request()


def leak_in_request():
    hold(asyncio.ensure_future(wait_for_ever()))


def test_declared_server_does_not_hide_leaks_of_requests():
    """Only what the declared code starts itself is declared."""

    async def main(park):
        requests = asyncio.Queue()
        hold(asyncio.ensure_future(long_lived("a server")(declared_server_whose_requests_leak)(requests)))

        async def handle(number):
            requests.put_nowait(number)

        await park.requests(handle, LEAKS)
        await park()

    assert all_of(serve(main), "leak_in_request") == LEAKS


@pytest.mark.parametrize("wrong", [None, 5, wait_for_ever])
def test_long_lived_wants_a_reason(wrong):
    with pytest.raises(TypeError, match="reason as a string"):
        long_lived(wrong)
    with pytest.raises(ValueError, match="non-empty"):
        long_lived(" ")


def test_declared_decorator_keeps_the_function():
    assert inspect.iscoroutinefunction(declared_coroutine)
    assert declared_coroutine.__name__ == "declared_coroutine"
    assert long_lived("returns what it returns")(lambda: 7)() == 7


def test_declared_threads_are_never_orphans():
    release = threading.Event()

    async def main(park):
        def handle(number):
            with long_lived("one reader for each device"):
                threading.Thread(target=release.wait, daemon=True).start()

        await park.requests(handle, LEAKS)
        await park()
        release.set()

    assert serve(main).orphans == {}


def test_ignored_function_is_silent():
    assert serve(leaking_service(leak), ignore="*.leak").orphans == {}


async def other_wait():
    await asyncio.Event().wait()


def leak_two_kinds():
    for coro in (wait_for_ever, other_wait):
        hold(asyncio.ensure_future(coro()))


def test_ignored_fingerprint_silences_its_kind_alone():
    """Two kinds of leak at one line: the one that is known is silent, the other is not."""
    (report,) = serve(leaking_service(leak)).events_named(ORPHANED)[:1]
    service = serve(leaking_service(leak), ignore=report["python.leak.fingerprint"])
    assert service.orphans == {}
    both = serve(leaking_service(leak_two_kinds), ignore="0123456789abcdef")
    assert all_of(both, "leak_two_kinds") == 2 * LEAKS
    kinds = {
        group.wait_reason: group for group in both.snapshot.by_stack if group.site.function.endswith("leak_two_kinds")
    }
    assert set(kinds) == {"future", "event.wait"}


class Shard:
    async def start(self):
        self.task = hold(asyncio.ensure_future(wait_for_ever()))


def test_eight_shards_started_together_are_residents():
    async def main(park):
        await asyncio.gather(*(Shard().start() for _ in range(8)))
        await park()

    service = serve(main, proof_interval=0)
    assert service.orphans == {} and service.events == []


def test_without_residents_the_same_shards_are_orphans():
    async def main(park):
        await asyncio.gather(*(Shard().start() for _ in range(8)))
        await park()

    assert all_of(serve(main, resident_limit=0), "start") == 8


def test_executor_per_request_is_an_orphan_a_big_pool_is_not():
    executors = []

    def make_and_forget():
        executor = ThreadPoolExecutor(1)
        executors.append(executor)
        executor.submit(int).result()

    pool = ThreadPoolExecutor(LEAKS)

    def use_the_pool():
        barrier = threading.Barrier(LEAKS)
        for future in [pool.submit(barrier.wait) for _ in range(LEAKS)]:
            future.result()

    async def main(park):
        async def handle(number):
            make_and_forget()
            if number == 3:
                use_the_pool()

        await park.requests(handle, LEAKS)
        await park(at=30 * 60)

    service = serve(main)
    for executor in (*executors, pool):
        executor.shutdown()
    assert set(service.orphans) == {"make_and_forget"}
    assert all_of(service, "make_and_forget") == LEAKS
    (report,) = service.events_named("python.thread.orphaned")[:1]
    assert "never shut down" in report["python.leak.reason"]


def test_failed_gather_owns_the_others_no_longer():
    """The exception that ended it leads to frames, and through them to anything; none of that is an owner."""

    async def fail(future):
        raise ConnectionError

    async def gather_two():
        future = asyncio.get_running_loop().create_future()
        one, two = asyncio.ensure_future(asyncio.wait({future})), asyncio.ensure_future(fail(future))
        held.update((one, two))
        await asyncio.gather(one, two)

    async def main(park):
        async def handle(number):
            try:
                await gather_two()
            except ConnectionError:
                return

        await park.requests(handle, LEAKS)
        await park()

    assert all_of(serve(main), "gather_two") == LEAKS


def test_destroyed_tasks_are_reported_with_where_they_waited():
    async def main(park):
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        async def handle(number):
            asyncio.ensure_future(wait_for_ever())

        gc.disable()
        try:
            await park.requests(handle, 5)
        finally:
            gc.enable()
        gc.collect()
        await park()
        await park(at=None)

    service = serve(main)
    reports = service.events_named("python.asyncio.task.destroyed")
    assert reports
    assert reports[-1]["python.leak.count"] == 5
    assert reports[-1]["python.leak.verdict"] == "destroyed"
    assert "wait_for_ever" in reports[-1]["code.stacktrace"]
    assert "garbage-collected" in reports[-1]["python.leak.reason"]


def test_stall_is_since_when_the_very_same_thing_is_awaited():
    """A task that waits for one new future after the other does not stall, however alike they look."""

    async def main(park):
        gates = [asyncio.get_running_loop().create_future()]

        async def poll():
            while True:
                await gates[-1]
                gates.append(asyncio.get_running_loop().create_future())

        hold(asyncio.ensure_future(poll()))
        hold(asyncio.ensure_future(wait_for_ever()))
        for _ in range(20):
            await park.advance(60)
            gates[-1].set_result(None)
            await asyncio.sleep(0)
        await park(at=None)

    tasks = {task.stack[-1].function.rpartition(".")[2]: task for task in serve(main).snapshot.tasks if task.stack}
    assert tasks["wait_for_ever"].stalled_s > 15 * 60
    assert tasks["poll"].stalled_s is None or tasks["poll"].stalled_s < 3 * 60
