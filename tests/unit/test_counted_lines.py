"""Every way to make a task or a thread is seen, and counted at the application's own line."""

import asyncio
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from opentelemetry.instrumentation.concurrency import live_counts, take_snapshot


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    if request.param == "asyncio":
        return asyncio.run
    uvloop = pytest.importorskip("uvloop")

    def run_on_uvloop(main):
        loop = uvloop.new_event_loop()
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()

    return run_on_uvloop


RELEASE: ContextVar[asyncio.Event] = ContextVar("release")


async def blocked(release: asyncio.Event) -> None:
    await release.wait()


def sites(kind: str = "task") -> dict[str, int]:
    return {
        group.site.function.rpartition(".")[2]: group.count for group in take_snapshot().by_site if group.kind == kind
    }


async def by_create_task():
    return [asyncio.create_task(blocked(RELEASE.get()))]


async def by_ensure_future():
    return [asyncio.ensure_future(blocked(RELEASE.get()))]


async def by_loop():
    return [asyncio.get_running_loop().create_task(blocked(RELEASE.get()))]


async def by_gather():
    return [asyncio.gather(blocked(RELEASE.get()))]


async def by_shield():
    return [asyncio.shield(blocked(RELEASE.get()))]


async def by_direct_task():
    return [asyncio.Task(blocked(RELEASE.get()))]


@pytest.mark.parametrize("create", [by_create_task, by_ensure_future, by_loop, by_gather, by_shield])
def test_task_is_counted_at_the_line_that_created_it(instrumented, run, create):
    """Every public way to create a task leads to the application's own frame."""

    async def main():
        release = asyncio.Event()
        RELEASE.set(release)
        made = await create()
        await asyncio.sleep(0)
        found = sites()
        release.set()
        await asyncio.gather(*made)
        return found

    assert run(main())[create.__name__] == 1


def test_sites_at_equal_offsets_of_other_code_differ(instrumented):
    """The look-up guesses by the offset of the instruction alone, and a wrong guess must not stand."""

    async def main():
        release = asyncio.Event()
        scopes = [{"__name__": f"shop.twin{number}"} for number in range(3)]
        for scope in scopes:
            scope["made"] = lambda: blocked(release)
            exec("import asyncio\ndef start(): return asyncio.create_task(made())", scope)
        made = [scopes[number % 3]["start"]() for number in range(12)]
        found = {group.site.function: group.count for group in take_snapshot().by_site if "twin" in group.site.function}
        release.set()
        await asyncio.gather(*made)
        return found

    assert asyncio.run(main()) == {f"shop.twin{number}.start": 4 for number in range(3)}


def test_directly_constructed_task_is_found_under_its_coroutine(instrumented, run):
    """What no hook can see the census finds, and counts under the coroutine's own function."""

    async def main():
        release = asyncio.Event()
        RELEASE.set(release)
        before = live_counts().tasks
        made = await by_direct_task()
        await asyncio.sleep(0)
        found, more = sites(), live_counts().tasks - before
        release.set()
        await asyncio.gather(*made)
        return found, more

    found, more = run(main())
    assert found["blocked"] == 1
    assert more == 1


def test_run_coroutine_threadsafe_is_counted_at_its_call(instrumented):
    """The task is made by a callback of the loop, which belongs to nobody's line."""

    async def main():
        release = asyncio.Event()

        def from_thread():
            return asyncio.run_coroutine_threadsafe(blocked(release), asyncio.get_running_loop())

        future = from_thread()
        for _ in range(3):
            await asyncio.sleep(0)
        found = sites()
        release.set()
        await asyncio.wrap_future(future)
        return found

    assert asyncio.run(main())["from_thread"] == 1


def test_executor_worker_belongs_to_the_line_of_its_executor(instrumented):
    """Whoever submitted first says nothing about a pool; who made it does."""

    def make_pool():
        return ThreadPoolExecutor(1)

    with make_pool() as pool:
        pool.submit(int).result()
        assert sites("thread")["make_pool"] == 1


def test_thread_is_counted_at_the_line_that_started_it(instrumented):
    """The site of a thread is where it was started, not where it was made."""
    release = threading.Event()
    made = [threading.Thread(target=release.wait)]

    def start_it():
        thread = made.pop()
        thread.start()
        return thread

    thread = start_it()
    try:
        assert sites("thread")["start_it"] == 1
    finally:
        release.set()
        thread.join()


def test_unretrieved_failures_are_counted_and_still_logged(instrumented):
    """We read no exception, so asyncio's own message comes as before."""
    messages = []

    async def fail():
        raise ValueError

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: messages.append(context["message"]))
        asyncio.create_task(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    assert messages == ["Task exception was never retrieved"]
    assert sum(site.unretrieved for site in instrumented.recorder.task_sites.sites) == 1


def test_destroyed_tasks_are_counted_at_their_line(instrumented):
    """A pending task that the collector takes is counted where it was created."""

    async def wait_for_ever():
        await asyncio.get_running_loop().create_future()

    def start_and_drop():
        asyncio.create_task(wait_for_ever())

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        for _ in range(7):
            start_and_drop()
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    counted = {site.function.rpartition(".")[2]: site.destroyed for site in instrumented.recorder.task_sites.sites}
    assert counted["start_and_drop"] == 7


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_are_counted(instrumented):
    """The coroutine's first step runs inside create_task, before the hook goes on."""

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        release = asyncio.Event()
        RELEASE.set(release)
        made = await by_create_task()
        found = sites()
        release.set()
        await asyncio.gather(*made)
        return found

    assert asyncio.run(main())["by_create_task"] == 1
