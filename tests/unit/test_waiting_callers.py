"""A task that anyio's portal starts for another thread is named by the line of that thread, which waits meanwhile."""

import asyncio
import contextlib
import functools
import threading

import pytest
from creation_sites import Created, job, short, task_sites

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import waiting_callers

from_thread = pytest.importorskip("anyio.from_thread")


@pytest.fixture(autouse=True)
def instrumented():
    ConcurrencyInstrumentor().instrument(reports="none", task_age=3600, scan_interval=3600)
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()


class Bridge:
    """A helper of the application around a portal."""

    def __init__(self, portal):
        self.portal = portal

    def submit(self, function, *arguments):
        return self.portal.start_task_soon(function, *arguments)


async def ready(*, task_status):
    task_status.started()
    await job()


def callback():
    """Have the name of the callback of ``run_coroutine_threadsafe``."""


@pytest.mark.parametrize(
    ("consulted", "expected"),
    [
        ([(asyncio.events.Handle._run.__code__, 0)], True),
        ([(job.__code__, 0), (callback.__code__, 0)], True),
        ([(job.__code__, 0), (asyncio.events.Handle._run.__code__, 0)], False),
        ([(None, 0), (job.__code__, 0)], False),
        ([], False),
    ],
    ids=["a callback of the loop", "handed to a loop", "a loop further out", "other code", "nothing"],
)
def test_task_made_in_a_callback_may_come_from_another_thread(consulted, expected):
    coroutine = job()
    assert waiting_callers.is_handed_over(coroutine, consulted) is expected
    coroutine.close()


def start_soon(portal):
    portal.start_task_soon(job)


def start(portal):
    portal.start_task(ready)


def start_soon_through_a_helper(portal):
    Bridge(portal).submit(job)


def start_soon_with_a_partial(portal):
    portal.start_task_soon(functools.partial(job, 1))


def start_soon_twice(portal):
    for _ in range(2):
        portal.start_task_soon(job)


def call(portal):
    with contextlib.suppress(Exception):
        portal.call(job)


def sites_of_calls(*calls):
    """Return the sites of tasks that functions start through one portal, each in a thread of its own."""

    async def caller(scan):
        async with from_thread.BlockingPortal() as portal:
            threads = [threading.Thread(target=each, args=[portal]) for each in calls]
            for thread in threads:
                before = len(asyncio.all_tasks())
                thread.start()
                while thread.is_alive() and len(asyncio.all_tasks()) == before:
                    await asyncio.sleep(0)
            scan()
            await asyncio.to_thread(lambda: [thread.join() for thread in threads])

    return [short(each) for each in task_sites(caller)]


@pytest.mark.parametrize(
    ("calling", "line", "runs"),
    [
        (start_soon, "portal.start_task_soon(job)", "job"),
        (start, "portal.start_task(ready)", "ready"),
        (start_soon_through_a_helper, "Bridge(portal).submit(job)", "job"),
        (start_soon_with_a_partial, "portal.start_task_soon(functools.partial(job, 1))", "job"),
        (start_soon_twice, "portal.start_task_soon(job)", "job"),
        (call, "portal.call(job)", "job"),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_portal_task_is_named_by_the_line_of_its_thread(calling, line, runs):
    assert set(sites_of_calls(calling)) == {Created(calling.__name__, line, runs)}


def test_portal_tasks_of_several_threads_are_distinguished():
    """A decided path must not be taken for that of another thread or function."""
    found = sites_of_calls(start_soon, call, start, start_soon, start_soon_through_a_helper)

    assert [each.function for each in found] == [
        "start_soon",
        "call",
        "start",
        "start_soon",
        "start_soon_through_a_helper",
    ]


def test_portal_task_without_waiting_thread_has_its_own_function(monkeypatch):
    """Without the global interpreter lock the variables of other threads are not read."""
    monkeypatch.setattr(waiting_callers, "FREE_THREADED", True)

    (found,) = sites_of_calls(start_soon)

    assert found == ("job", "async def job(*_values):", "job")


def test_function_run_from_a_worker_thread_is_named():
    """``from_thread.run`` waits for a coroutine of anyio's own, which calls the function."""

    def ask():
        from_thread.run(job)

    async def caller(scan):
        import anyio

        async with anyio.create_task_group() as group:
            before = len(asyncio.all_tasks())
            group.start_soon(anyio.to_thread.run_sync, ask)
            while len(asyncio.all_tasks()) < before + 2:
                await asyncio.sleep(0)
            scan()

    assert ("ask", "from_thread.run(job)", "job") in [short(each) for each in task_sites(caller)]


def test_loop_of_a_portal_is_named_by_the_line_that_opened_it(instrumented):
    with from_thread.start_blocking_portal():
        (site,) = [each for each in instrumented.recorder.task_sites.sites if each.runs.endswith("run_portal")]

    assert short(site) == (
        "test_loop_of_a_portal_is_named_by_the_line_that_opened_it",
        "with from_thread.start_blocking_portal():",
        "run_portal",
    )


def test_portal_task_has_the_stack_of_its_thread(instrumented):
    async def main():
        async with from_thread.BlockingPortal() as portal:
            await asyncio.to_thread(start_soon_and_stop, portal)

    def start_soon_and_stop(portal):
        portal.start_task_soon(asyncio.sleep, 0).result()

    asyncio.run(main())
    (site,) = [each for each in instrumented.recorder.task_sites.sites if each.runs == "asyncio.tasks.sleep"]

    assert site.any_stack().frames[0].code is start_soon_and_stop.__code__
