"""Plumbing that calls a function or runs a coroutine that it was given: ``to_thread``, ``asyncio.run`` in a thread."""

import asyncio
import threading

import pytest
from creation_sites import short, task_sites, work

pytestmark = pytest.mark.usefixtures("instrumented")


@pytest.fixture(autouse=True)
def work_is_released():
    """Let ``work`` end when the sites of tasks have been read."""
    release = threading.Event()
    work.__globals__["_Release"].threads = release
    yield release
    release.set()


def in_thread(function):
    return asyncio.create_task(asyncio.to_thread(function))


def other_work():
    work()


def sites_in_a_loop(caller, release):
    async def calling(scan):
        found = caller()
        scan()
        release.set()
        await asyncio.gather(*found)

    return [short(each) for each in task_sites(calling)]


def test_task_of_to_thread_runs_the_function(work_is_released):
    def caller():
        return [asyncio.create_task(asyncio.to_thread(each)) for each in (work, other_work)]

    found = sites_in_a_loop(caller, work_is_released)

    assert [each.runs for each in found] == ["work", "other_work"]
    assert {each.function for each in found} == {"caller"}


def test_helper_that_calls_in_a_thread_names_its_caller(work_is_released):
    def caller():
        return [in_thread(each) for each in (work, other_work, work)]

    found = sites_in_a_loop(caller, work_is_released)

    assert [(each.function, each.runs) for each in found] == [
        ("caller", "work"),
        ("caller", "other_work"),
        ("caller", "work"),
    ]


class Service:
    def start(self):
        return asyncio.create_task(asyncio.to_thread(self.serve))

    def serve(self):
        work()


def test_own_method_in_a_thread_is_named_at_its_call(work_is_released):
    (found,) = sites_in_a_loop(lambda: [Service().start()], work_is_released)

    assert found == ("start", "return asyncio.create_task(asyncio.to_thread(self.serve))", "serve")


async def ends_soon():
    await asyncio.sleep(0)


async def ends_otherwise():
    await asyncio.sleep(0)


def run_in_thread(coro):
    threading.Thread(target=asyncio.run, args=[coro]).start()


def test_thread_that_runs_a_loop_has_the_function_of_the_loop(instrumented):
    def caller():
        for coro in (ends_soon(), ends_otherwise()):
            run_in_thread(coro)

    caller()

    sites = [short(each) for each in instrumented.recorder.thread_sites.sites if "ends_" in each.runs]
    line = "run_in_thread(coro)"
    assert sites == [("caller", line, "ends_soon"), ("caller", line, "ends_otherwise")]


def test_thread_started_by_plumbing_has_the_line_of_its_task(instrumented):
    """anyio starts a worker thread for a task in which no frame of the application runs."""
    anyio = pytest.importorskip("anyio")

    async def main():
        await asyncio.create_task(anyio.to_thread.run_sync(str))

    async def other():
        await asyncio.create_task(anyio.to_thread.run_sync(str))

    for each in (main, other):
        asyncio.run(each())

    found = [short(each) for each in instrumented.recorder.thread_sites.sites if each.runs.endswith("WorkerThread.run")]
    line = "await asyncio.create_task(anyio.to_thread.run_sync(str))"
    assert [each[:2] for each in found if each.function in ("main", "other")] == [("main", line), ("other", line)]
