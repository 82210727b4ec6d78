"""Tasks that no hook saw, among many: they are found, and where there are none nobody looks for them."""

import asyncio
import gc
import sys

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.census import census as census_module
from opentelemetry.instrumentation.concurrency.census import unrecorded as strangers_module
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

MANY = 10
LOOKS = 3


@pytest.fixture
def searches(monkeypatch):
    """Makes ten tasks count as many; how often asyncio's own list was walked through."""
    # Finished tasks of earlier tests, which their modules hold, are on asyncio's own list as well.
    gc.collect()
    counted = strangers_module.most_registered
    before = counted() or 0
    monkeypatch.setattr(
        strangers_module, "most_registered", lambda: None if (now := counted()) is None else now - before
    )
    monkeypatch.setattr(strangers_module, "_SOUGHT_ALWAYS_BELOW", MANY)
    monkeypatch.setattr(strangers_module, "_SOUGHT_EVERY", LOOKS)
    made = []
    walk = census_module.registered_tasks
    monkeypatch.setattr(census_module, "registered_tasks", lambda *loops: made.append(1) or walk(*loops))
    ConcurrencyInstrumentor().instrument(reports="none", metrics="none", task_age=3600, scan_interval=3600)
    yield made
    ConcurrencyInstrumentor().uninstrument()


async def blocked(release):
    await release.wait()


def strangers_seen():
    scan = current_installation().census.last_scan
    return sum(tally.live for tally in scan.tasks if tally.site.function.endswith(".blocked"))


async def scan(times):
    for _ in range(times):
        current_installation().census.scan()
        await asyncio.sleep(0)


def test_unrecorded_search_with_equal_counts_is_skipped(searches):
    """Every task is known: asyncio's own list is neither copied nor walked, whatever comes and goes meanwhile."""

    async def main():
        release = asyncio.Event()
        made = [asyncio.create_task(blocked(release)) for _ in range(3 * MANY)]
        await scan(2)
        searches.clear()
        for _ in range(4 * LOOKS):
            await asyncio.create_task(asyncio.sleep(0))
            # The callback that woke us holds the task, which is done: up to 3.13 the list still has it.
            await asyncio.sleep(0)
            await scan(1)
        found = len(searches)
        release.set()
        await asyncio.gather(*made)
        return found

    assert asyncio.run(main()) == 0


async def strangers_found(made, release):
    """Make many tasks and then one more past every hook; return how many of that kind are counted after some looks."""
    made += [asyncio.create_task(blocked(release)) for _ in range(3 * MANY)]
    await scan(2)
    made.append(asyncio.Task(blocked(release)))
    await scan(3 * LOOKS)
    found = strangers_seen()
    release.set()
    await asyncio.gather(*made)
    return found


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on nothing but the walk tells that there is one")
def test_unrecorded_task_among_many_is_found(searches):
    """One task more than is known is enough; it is entered when it was met twice."""

    async def main():
        return await strangers_found([], asyncio.Event())

    assert asyncio.run(main()) == 1


def test_unrecorded_tasks_found_early_are_found_at_scale(searches):
    """A program that makes tasks past every hook did so before it had many."""

    async def main():
        release = asyncio.Event()
        made = [asyncio.Task(blocked(release))]
        await scan(2)
        return await strangers_found(made, release)

    assert asyncio.run(main()) == 2


def test_unrecorded_task_counts_as_created_once(searches):
    async def main():
        release = asyncio.Event()
        task = asyncio.Task(blocked(release))
        await scan(3)
        created = [site.created for site in current_installation().recorder.task_sites.sites if site.created]
        release.set()
        await task
        return created

    assert asyncio.run(main()).count(1) >= 1
    assert all(site.created < 2 for site in current_installation().recorder.task_sites.sites)
