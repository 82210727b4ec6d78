"""Owners of the tasks of a large gather: each task reaches the list of all."""

import asyncio
import gc

from opentelemetry.instrumentation.concurrency.diagnose.ownership import owners
from opentelemetry.instrumentation.concurrency.diagnose.ownership.owners import is_owned, owners_of


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


def owners_in_a_gather_of(count, look):
    async def main():
        tasks = [asyncio.ensure_future(wait_for_ever()) for _ in range(count)]
        outer = asyncio.gather(*tasks)
        await asyncio.sleep(0)
        try:
            return look(tasks[-1], outer)
        finally:
            outer.cancel()
            await asyncio.wait(tasks)
            try:
                await outer
            except asyncio.CancelledError:
                pass

    return asyncio.run(main())


def test_task_of_a_large_gather_is_owned():
    # From 3.14 on, asyncio also names the task that called gather().
    found = owners_in_a_gather_of(1_000, lambda task, outer: is_owned(task) and outer in [*owners_of(task)])
    assert found


def test_list_of_a_large_gather_is_never_copied_whole(monkeypatch):
    """With a hundred thousand tasks, a scan that asks two hundred of them would copy it two hundred times."""
    seen = []

    def get_referents(*objects):
        found = gc.get_referents(*objects)
        seen.append(len(found))
        return found

    class Counting:
        pass

    Counting.get_referents = staticmethod(get_referents)
    monkeypatch.setattr(owners, "gc", Counting)
    owners_in_a_gather_of(1_000, lambda task, _outer: is_owned(task))
    assert max(seen, default=0) < 1_000
