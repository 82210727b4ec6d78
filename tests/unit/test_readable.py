"""On free-threaded builds: what another thread may run is counted and not looked into, the rest is as everywhere."""

import asyncio
import threading

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, take_snapshot
from opentelemetry.instrumentation.concurrency.census import unrecorded
from opentelemetry.instrumentation.concurrency.diagnose.introspection import readable
from opentelemetry.instrumentation.concurrency.diagnose.introspection.connections import belongs_to_connection
from opentelemetry.instrumentation.concurrency.diagnose.introspection.readable import chain_of, may_be_read
from opentelemetry.instrumentation.concurrency.record.interpreter import FREE_THREADED


@pytest.fixture
def free_threaded(monkeypatch):
    """Say that this interpreter has no lock."""
    monkeypatch.setattr(readable, "FREE_THREADED", True)
    monkeypatch.setattr(unrecorded, "FREE_THREADED", True)


async def wait(release: asyncio.Event) -> None:
    await release.wait()


@pytest.fixture
def elsewhere():
    """A task that waits on a loop that runs in another thread."""
    started, tasks = threading.Event(), []

    async def main():
        release = asyncio.Event()
        tasks.extend((asyncio.create_task(wait(release), name="elsewhere"), asyncio.get_running_loop(), release))
        await asyncio.sleep(0)
        started.set()
        await tasks[0]

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert started.wait(10)
    task, loop, release = tasks
    yield task
    loop.call_soon_threadsafe(release.set)
    thread.join()


def test_task_of_another_running_loop_is_not_looked_into(free_threaded, elsewhere):
    """No frame, no wait, and the reason in words; nothing that needs them accuses it."""
    assert not may_be_read(elsewhere)
    chain = chain_of(elsewhere)
    assert chain.frames == () and "no global lock" in chain.partial
    assert belongs_to_connection(elsewhere)


@pytest.mark.skipif(FREE_THREADED, reason="this interpreter has no global lock")
def test_with_the_lock_it_is(elsewhere):
    """The chain leads to the event it waits for."""
    assert may_be_read(elsewhere)
    assert [frame.code.co_name for frame in chain_of(elsewhere).frames] == ["wait", "wait"]


def test_task_of_own_thread_or_stopped_loop_is_inspected(free_threaded):
    """Leak tests and the last look at exit see what they see everywhere."""

    async def main():
        task = asyncio.create_task(wait(asyncio.Event()))
        await asyncio.sleep(0)
        return task, [frame.code.co_name for frame in chain_of(task).frames]

    loop = asyncio.new_event_loop()
    task, names = loop.run_until_complete(main())
    assert names == ["wait", "wait"]
    assert [frame.code.co_name for frame in chain_of(task).frames] == ["wait", "wait"]
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()


def test_snapshot_shows_line_and_age_and_counts_missing_ones(free_threaded, elsewhere):
    """Also one that no hook saw: it is named by its code, whose frame may be running."""
    ConcurrencyInstrumentor().instrument(scan_interval=3600, agent_disabled=True)
    try:
        [picture] = [one for one in take_snapshot().tasks if one.name == "elsewhere"]
    finally:
        ConcurrencyInstrumentor().uninstrument()
    assert picture.site.function == f"{__name__}.wait"
    assert picture.stack == () and picture.wait_reason == "unknown"
    assert "no global lock" in picture.note
