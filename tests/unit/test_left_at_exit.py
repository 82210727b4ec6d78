"""What `asyncio.run` had to cancel: which tasks are left out when main has returned."""

import asyncio
import time

import pytest
from census_rows import Rows

from opentelemetry.instrumentation.concurrency import long_lived
from opentelemetry.instrumentation.concurrency.diagnose.left_at_exit import CANCELLED_BY_RUN, left_at_exit
from opentelemetry.instrumentation.concurrency.diagnose.ownership.ignored import IgnoreList
from opentelemetry.instrumentation.concurrency.diagnose.ownership.residents import ResidentMemory
from opentelemetry.instrumentation.concurrency.diagnose.row_memory import RowMemory
from opentelemetry.instrumentation.concurrency.record import creator
from opentelemetry.instrumentation.concurrency.record.long_lived import declared_function


async def wait():
    await asyncio.get_running_loop().create_future()


@long_lived("keeps the connection open")
async def declared_wait():
    await asyncio.get_running_loop().create_future()


def groups_of(start, *, ignored=(), old_process=True, limit=0, runs="shop.ask", at=(1.0, 2.0)):
    """Return function, verdict and count of each group that is left by one task per time in ``at``."""

    async def main():
        rows = Rows()
        site = rows.site(runs=runs)
        tasks = []
        for born in at:
            reference = creator.current_creator()
            task = start()
            tasks.append(task)
            rows.add(task, site, at=born)
            rows.census.tasks.creators[-1] = reference
        await asyncio.sleep(0)
        found = left_at_exit(
            rows.census,
            rows.scan(500.0),
            ResidentMemory(limit, 60.0),
            IgnoreList(ignored),
            RowMemory(rows.census.tasks),
            loop=asyncio.get_running_loop(),
            evidence=CANCELLED_BY_RUN,
            old_process=old_process,
        )
        return [(group.site.function, group.verdict, group.count, group.evidence) for group in found]

    return asyncio.run(main())


LEFT = [("shop.query", "orphaned", 2, CANCELLED_BY_RUN)]


def test_left_at_exit_pending_tasks_are_one_group():
    assert groups_of(lambda: asyncio.create_task(wait())) == LEFT


def test_left_at_exit_task_of_a_declared_block_is_left_out():
    def start():
        with long_lived("polls the feature flags"):
            return asyncio.create_task(wait())

    assert groups_of(start) == []


def test_left_at_exit_declared_coroutine_is_left_out():
    runs = next(
        name
        for name in (f"{__name__}.declared_wait", f"unit.{__name__}.declared_wait")
        if declared_function(name) is not None
    )
    assert groups_of(lambda: asyncio.create_task(wait()), runs=runs) == []


def test_left_at_exit_ignored_site_is_left_out():
    assert groups_of(lambda: asyncio.create_task(wait()), ignored=["shop.que*"]) == []


def test_left_at_exit_owned_task_is_left_out():
    async def hold(awaited):
        await awaited

    def start():
        task = asyncio.create_task(wait())
        start.owners.append(asyncio.create_task(hold(asyncio.gather(task))))
        return task

    start.owners = []
    assert groups_of(start) == []


def test_left_at_exit_finished_task_is_left_out():
    def start():
        task = asyncio.create_task(wait())
        task.cancel()
        return task

    assert groups_of(start) == []


def test_left_at_exit_main_itself_is_left_out():
    assert groups_of(asyncio.current_task) == []


@pytest.mark.parametrize(("old_process", "expected"), [(True, LEFT), (False, [])])
def test_left_at_exit_few_in_a_young_process_are_left_out(old_process, expected):
    """It is too young to tell residents from what recurs."""
    at = (1.0, 150.0, 300.0, 450.0)
    found = groups_of(lambda: asyncio.create_task(wait()), old_process=old_process, limit=4, at=at)
    assert found == [(function, verdict, 4, evidence) for function, verdict, _, evidence in expected]


def test_left_at_exit_workers_of_main_are_left_out():
    """All came at once and long ago."""
    for at, expected in (((1.0, 2.0), []), ((1.0, 480.0), LEFT)):
        assert groups_of(lambda: asyncio.create_task(wait()), limit=1, at=at) == expected


def test_left_at_exit_waiting_for_the_network_is_left_out():
    async def main(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        task = asyncio.create_task(reader.read())
        await asyncio.sleep(0)
        rows = Rows()
        rows.add(task, rows.site(), at=1.0)
        found = left_at_exit(
            rows.census,
            rows.scan(time.monotonic()),
            ResidentMemory(0, 60.0),
            IgnoreList(()),
            RowMemory(rows.census.tasks),
            loop=asyncio.get_running_loop(),
            evidence=CANCELLED_BY_RUN,
            old_process=True,
        )
        writer.close()
        task.cancel()
        return found

    async def served():
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            return await main(server.sockets[0].getsockname()[1])

    assert asyncio.run(served()) == []
