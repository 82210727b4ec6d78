"""Where the latest task of a site waited is remembered for each site, and a few tasks are read for it."""

import asyncio
from weakref import ref

from opentelemetry.instrumentation.concurrency.census.columns import Columns
from opentelemetry.instrumentation.concurrency.diagnose.introspection.last_waits import MOST_PER_SCAN, LastWaits
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.record.tasks import task_is_finished


async def in_a_future():
    await asyncio.get_running_loop().create_future()


async def in_an_event():
    await asyncio.Event().wait()


def start(columns, number, coro):
    site = Site("task", number, start.__code__, 0, __name__)
    task = asyncio.ensure_future(coro)
    columns.add(task, ref(task), site, 0.0, None, None)
    return task


async def end(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def test_newest_task_of_a_site_is_remembered_after_its_end(run):
    async def main():
        columns, waits = Columns(task_is_finished), LastWaits()
        tasks = [start(columns, 7, in_a_future()), start(columns, 7, in_an_event())]
        await asyncio.sleep(0)
        waits.scan(columns, lambda: None)
        await end(tasks)
        waits.scan(columns, lambda: None)
        return waits.of(7), waits.of(8)

    (chain, reason), unknown = run(main)
    assert reason == "event.wait" and chain.awaited is None
    assert chain.frames[0].code is in_an_event.__code__
    assert unknown is None


def test_task_that_has_not_begun_is_not_remembered(run):
    async def main():
        columns, waits = Columns(task_is_finished), LastWaits()
        task = start(columns, 0, in_a_future())
        await asyncio.sleep(0)
        waits.scan(columns, lambda: None)
        await end([task])
        other = start(columns, 0, in_an_event())
        waits.scan(columns, lambda: None)
        await end([other])
        return waits.of(0)

    chain, _ = run(main)
    assert chain.frames[0].code is in_a_future.__code__


def test_sites_never_read_come_first_and_all_have_their_turn(run):
    async def main():
        columns, waits, count = Columns(task_is_finished), LastWaits(), 3 * MOST_PER_SCAN
        tasks = [start(columns, number, in_a_future()) for number in range(count)]
        await asyncio.sleep(0)
        seen = []
        for _ in range(3):
            waits.scan(columns, lambda: None)
            seen.append(sum(waits.of(number) is not None for number in range(count)))
        tasks += [start(columns, number, in_an_event()) for number in range(count)]
        await asyncio.sleep(0)
        renewed = []
        for _ in range(3):
            waits.scan(columns, lambda: None)
            renewed.append(sum(waits.of(number)[1] == "event.wait" for number in range(count)))
        await end(tasks)
        return seen, renewed

    turns = [MOST_PER_SCAN, 2 * MOST_PER_SCAN, 3 * MOST_PER_SCAN]
    assert run(main) == (turns, turns)
