"""`long_lived` on a function covers the task or thread that runs it, whichever helper has started that."""

import asyncio
import functools
import threading

import pytest
from creation_sites import job, task_site, thread_site, work

from opentelemetry.instrumentation.concurrency import LeakError, check_leaks, long_lived

released = threading.Event()


@pytest.fixture(autouse=True)
def release():
    released.clear()
    yield
    released.set()


@long_lived("polls the feature flags")
async def poll():
    await asyncio.Event().wait()


@long_lived("sends metrics")
def send():
    released.wait()


def send_undeclared():
    released.wait()


class Sender(threading.Thread):
    @long_lived("sends metrics")
    def run(self):
        released.wait()


class Service:
    @long_lived("sends metrics")
    def send(self):
        released.wait()


declared_job = long_lived("a job")(job)
declared_work = long_lived("some work")(work)


async def guarded(coro):
    return await coro


def spawn(coro):
    return asyncio.create_task(coro)


def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("wrap", [lambda coro: coro, guarded], ids=["plain", "guarded"])
def test_declared_coroutine_through_a_helper_is_not_a_leak(wrap):
    async def main():
        async with check_leaks(0.1):
            running.append(spawn(wrap(poll())))
            await asyncio.sleep(0)

    running = []
    asyncio.run(main())
    assert len(running) == 1


@pytest.mark.parametrize("target", [send, functools.partial(send), Service().send], ids=["plain", "partial", "method"])
def test_thread_with_a_declared_target_is_not_a_leak(target):
    with check_leaks(0):
        assert start(target).is_alive()


def test_thread_with_a_declared_run_method_is_not_a_leak():
    with check_leaks(0):
        Sender(daemon=True).start()


def test_thread_with_another_target_is_a_leak():
    with pytest.raises(LeakError, match=r"running test_long_lived_by_what_runs\.send_undeclared"), check_leaks(0):
        start(send_undeclared)


def test_thread_started_by_declared_target_is_covered_once():
    """What those start in turn is not."""

    def innermost():
        start(send_undeclared)
        begun.set()
        released.wait()

    @long_lived("a server")
    def serve():
        start(innermost)
        released.wait()

    begun = threading.Event()
    with pytest.raises(LeakError) as raised, check_leaks(0):
        start(serve)
        assert begun.wait(5)
    assert [leak.runs.rpartition(".")[2] for leak in raised.value.leaks] == ["send_undeclared"]


def test_declared_function_is_named_as_the_started_one(instrumented):
    def caller():
        spawn(declared_job())

    def starting():
        threading.Thread(target=declared_work).start()

    assert task_site(caller) == ("caller", "spawn(declared_job())", "job")
    assert thread_site(starting) == ("starting", "threading.Thread(target=declared_work).start()", "work")
