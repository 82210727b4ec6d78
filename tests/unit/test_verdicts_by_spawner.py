"""Verdicts on tasks and threads that healthy and leaking code starts through the same lines."""

import asyncio
import gc
import threading

import pytest
from simulated import serve

from opentelemetry.instrumentation.concurrency import long_lived

ORPHANED = "python.asyncio.task.orphaned"
THREAD_ORPHANED = "python.thread.orphaned"
SUSPECTED = "python.leak.suspected"
DEFAULT_SAMPLING = 128
held = set()
registry = {}


@pytest.fixture(autouse=True)
def hold_nothing_over():
    yield
    held.clear()
    registry.clear()
    gc.collect()


def spawn(coro):
    """Keep a task, as asyncio's documentation advises."""
    task = asyncio.get_running_loop().create_task(coro)
    held.add(task)
    task.add_done_callback(held.discard)
    return task


async def guarded(coro):
    return await coro


async def refresh():
    while True:
        await registry["ticks"].get()


async def listen(number):
    event = registry[number] = asyncio.Event()
    await event.wait()


def start_refreshers():
    for _ in range(2):
        spawn(refresh())


async def healthy():
    start_refreshers()


async def leaky(number):
    spawn(listen(number))


def service_of(handle, count=30, before=None):
    """A service that calls ``before()`` in a task of its own, and then ``handle(number)`` for each request."""

    async def main(park):
        registry["ticks"] = asyncio.Queue()
        if before is not None:
            await asyncio.get_running_loop().create_task(before())
        await park.requests(handle, count)
        await park()

    return main


def test_helper_with_a_healthy_caller_shows_the_leaking_one():
    service = serve(service_of(leaky, before=healthy), stack_sampling=DEFAULT_SAMPLING)
    assert service.orphans == {"leaky": (30, 0)}
    for report in service.events_named(ORPHANED):
        assert report["code.function.name"].endswith(".leaky")
        assert "listen" in report["python.leak.waiting_at"]
        assert "in test_verdicts_by_spawner.leaky" in report["python.leak.creation_stacktrace"]
        assert report["python.leak.creation_stacktrace_sampled"] is False


async def leaky_in_two_places(number):
    spawn(work(number))


async def work(number):
    if number % 5:
        await listen(number)
    else:
        await registry["ticks"].get()


def test_representative_is_of_largest_part_with_own_stack():
    """The oldest waits elsewhere; the first of the others came before stacks were asked for."""
    service = serve(service_of(leaky_in_two_places), stack_sampling=DEFAULT_SAMPLING)
    report = service.events_named(ORPHANED)[-1]
    assert "listen" in report["python.leak.waiting_at"]
    assert report["python.leak.creation_stacktrace_sampled"] is False


def test_stacks_without_sampling_are_marked_as_anothers():
    """A site that creates too much in a second is sampled; the stack is still of the site."""
    service = serve(service_of(leaky), stack_sampling=0)
    report = service.events_named(ORPHANED)[0]
    assert "python.leak.creation_stacktrace" not in report


async def wait_in_here():
    await registry["end"].wait()


def made_callers(count):
    """Make as many functions, each of one line of its own, that call the spawner."""
    scope = {"spawn": spawn, "guarded": guarded, "wait_in_here": wait_in_here}
    source = "".join(f"def caller_{number}(): spawn(guarded(wait_in_here()))\n" for number in range(count))
    exec(compile(source, __file__, "exec"), scope)
    return [scope[f"caller_{number}"] for number in range(count)]


def spread(callers, each, minutes):
    """A service that grows by as many tasks at each of many lines, and never at one of them enough to be suspected."""

    async def main(park):
        end = registry["end"] = asyncio.Event()
        steps = asyncio.Queue()

        async def serve_for_ever():
            while True:
                caller = await steps.get()
                if caller is None:
                    break
                caller()
            await end.wait()

        server = asyncio.ensure_future(serve_for_ever())
        for _ in range(each):
            for caller in callers:
                steps.put_nowait(caller)
                await park.advance(60 * minutes / (each * len(callers)))
        await park(at=None)
        end.set()
        steps.put_nowait(None)
        await server

    return main


def test_growth_spread_over_many_callers_is_shown_at_the_spawner():
    callers = made_callers(50)
    service = serve(spread(callers, each=3, minutes=40), live_limit=1_000_000)
    (report, *_) = service.events_named(SUSPECTED)
    assert service.suspects == {"spawn"}
    assert report["code.function.name"].endswith(".spawn")
    assert "caller_0 (" in report["python.leak.reason"] and "others by" in report["python.leak.reason"]
    assert "wait_in_here" in report["python.leak.reason"]
    assert "wait_in_here" in report["python.leak.waiting_at"]


def test_growth_of_one_caller_is_not_shown_at_the_spawner_too():
    caller, other = made_callers(2)
    service = serve(spread([caller] * 50 + [other], each=3, minutes=40))
    assert service.suspects == {"caller_0"}
    assert all(report["code.function.name"].endswith("caller_0") for report in service.events_named(SUSPECTED))


def test_crowd_spread_over_many_callers_is_shown_at_the_spawner():
    async def main(park):
        registry["end"] = asyncio.Event()
        for caller in made_callers(10):
            for _ in range(12):
                caller()
        await park()

    service = serve(main, live_limit=100, resident_limit=0)
    assert service.suspects == {"spawn"}


class Workers:
    """Eight workers, each of which starts its successor at another line when its connection breaks."""

    def __init__(self):
        self.breaks = {}

    def start(self, name):
        spawn(self.work(name))

    async def work(self, name):
        self.breaks[name] = asyncio.Event()
        try:
            await self.breaks[name].wait()
        finally:
            self.restart(name)

    def restart(self, name):
        if registry["open"]:
            spawn(self.work(name))


def workers_that_restart(leaks):
    async def main(park):
        workers = registry["workers"] = Workers()
        registry["open"] = True

        async def start():
            for name in range(8):
                workers.start(name)

        await asyncio.get_running_loop().create_task(start())
        for name in range(8):
            await park.advance(180)
            workers.breaks[name].set()
            await asyncio.sleep(0)
        if leaks:

            async def handle(number):
                workers.restart(("leaked", number))

            await park.requests(handle, 6)
        await park(at=50 * 60.0)
        registry["open"] = False

    return main


def test_successors_started_at_another_line_stay_residents():
    assert serve(workers_that_restart(leaks=False)).orphans == {}


def test_leak_at_the_line_of_successors_is_not_one():
    assert sum(serve(workers_that_restart(leaks=True)).orphans["restart"]) >= 6


async def race(*coros):
    """Return the first result, and forget to cancel the others."""
    tasks = [spawn(coro) for coro in coros]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


async def quick():
    await asyncio.sleep(0)


async def first_caller(number):
    await race(quick(), listen(number))


async def second_caller(number):
    await race(quick(), listen(number))


async def third_caller(number):
    await race(quick(), listen(number))


async def careful_caller(number):
    await race(quick(), quick())


def all_race(*callers):
    async def handle(number):
        for place, caller in enumerate(callers):
            await caller((number, place))

    return service_of(handle, 20)


def test_spawner_that_leaks_for_all_callers_is_named_first():
    service = serve(all_race(first_caller, second_caller, third_caller))
    assert service.events_named(ORPHANED)
    for report in service.events_named(ORPHANED):
        reason = report["python.leak.reason"]
        assert reason.startswith("Every line that starts tasks through test_verdicts_by_spawner.race"), reason


def test_spawner_with_a_healthy_caller_is_not_accused():
    service = serve(all_race(first_caller, second_caller, third_caller, careful_caller))
    assert service.events_named(ORPHANED)
    assert not any("Every line" in report["python.leak.reason"] for report in service.events_named(ORPHANED))


class Connection:
    def open(self):
        self.closed = threading.Event()
        threading.Thread(target=self.work, daemon=True).start()
        registry.setdefault("connections", []).append(self)
        return self

    def work(self):
        self.closed.wait()


def open_pool():
    for _ in range(3):
        Connection().open()


def open_for_the_session():
    Connection().open()


def test_factory_of_a_pool_and_a_leak_shows_the_leak_alone():
    async def main(park):
        pool = threading.Thread(target=open_pool)
        pool.start()
        pool.join()

        def handle(number):
            open_for_the_session()

        await park.requests(handle, 12)
        await park()
        for connection in registry["connections"]:
            connection.closed.set()

    service = serve(main, stack_sampling=DEFAULT_SAMPLING)
    assert service.orphans == {"open": (12, 0)}
    for report in service.events_named(THREAD_ORPHANED):
        assert "open_for_the_session" in report["python.leak.creation_stacktrace"]
        assert report["python.leak.creation_stacktrace_sampled"] is False


def test_ignored_started_function_is_silent():
    service = serve(service_of(leaky), ignore="*.listen")
    assert service.orphans == {} and service.events == []


@long_lived("keeps a listener for each device")
async def declared_listener(number):
    await listen(number)


async def start_declared(number):
    spawn(guarded(declared_listener(number)))


def test_declared_function_inside_a_wrapper_is_never_an_orphan():
    service = serve(service_of(start_declared))
    assert service.orphans == {} and service.events == []


@long_lived("reads one device")
def declared_reader(stop):
    stop.wait()


def start_thread(target, *args):
    threading.Thread(target=target, args=args, daemon=True).start()


def test_declared_target_through_a_spawner_is_no_orphan():
    stop = threading.Event()

    async def main(park):
        await park.requests(lambda number: start_thread(declared_reader, stop), 30)
        await park()
        stop.set()

    service = serve(main)
    assert service.orphans == {} and service.events == []


def test_destroyed_task_report_has_the_last_waiting_place():
    """The collector has ended most of the coroutines before the tasks are told."""

    async def main(park):
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        async def handle(number):
            asyncio.ensure_future(guarded(guarded(wait_on_its_own())))

        gc.disable()
        try:
            await park.requests(handle, 8)
        finally:
            gc.enable()
        gc.collect()
        await park()
        await park(at=None)

    service = serve(main)
    report = service.events_named("python.asyncio.task.destroyed")[-1]
    assert "wait_on_its_own" in report["code.stacktrace"]
    assert "wait_on_its_own" in report["python.leak.waiting_at"]
    assert report["python.asyncio.task.wait_reason"] == "future"


async def wait_on_its_own():
    await asyncio.get_running_loop().create_future()
