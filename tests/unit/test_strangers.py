"""Tasks that no hook saw, among many: they are found, and where there are none nobody looks for them."""

import asyncio
import sys

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.census import census as census_module
from opentelemetry.instrumentation.concurrency.census import strangers as strangers_module
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

MANY = 10
LOOKS = 3


@pytest.fixture
def searches(monkeypatch):
    """Makes ten tasks count as many; how often asyncio's own list was walked through."""
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
    look = current_installation().census.last_look
    return sum(tally.live for tally in look.tasks if tally.site.function.endswith(".blocked"))


async def look(times):
    for _ in range(times):
        current_installation().census.look()
        await asyncio.sleep(0)


def test_among_many_nobody_is_sought_where_the_counts_agree(searches):
    """Every task is known: asyncio's own list is neither copied nor walked, whatever comes and goes meanwhile."""

    async def main():
        release = asyncio.Event()
        made = [asyncio.create_task(blocked(release)) for _ in range(3 * MANY)]
        await look(2)
        searches.clear()
        for _ in range(4 * LOOKS):
            await asyncio.create_task(asyncio.sleep(0))
            # The callback that woke us holds the task, which is done: up to 3.13 the list still has it.
            await asyncio.sleep(0)
            await look(1)
        found = len(searches)
        release.set()
        await asyncio.gather(*made)
        return found

    assert asyncio.run(main()) == 0


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on nothing but the walk tells that there is one")
def test_among_many_a_stranger_is_found(searches):
    """One task more than is known is enough; it is entered when it was met twice."""

    async def main():
        release = asyncio.Event()
        made = [asyncio.create_task(blocked(release)) for _ in range(3 * MANY)]
        await look(2)
        made.append(asyncio.Task(blocked(release)))
        await look(3 * LOOKS)
        found = strangers_seen()
        release.set()
        await asyncio.gather(*made)
        return found

    assert asyncio.run(main()) == 1


def test_who_met_strangers_in_small_finds_them_in_large(searches):
    """A program that makes tasks past every hook did so before it had many."""

    async def main():
        release = asyncio.Event()
        made = [asyncio.Task(blocked(release))]
        await look(2)
        made += [asyncio.create_task(blocked(release)) for _ in range(3 * MANY)]
        await look(2)
        made.append(asyncio.Task(blocked(release)))
        await look(3 * LOOKS)
        found = strangers_seen()
        release.set()
        await asyncio.gather(*made)
        return found

    assert asyncio.run(main()) == 2
