"""Workers of a pipeline meet at a barrier between two batches; the early ones wait there for the late one.

The late one is far in its batch for many minutes; the others look stuck, but it will come.

Source: https://docs.python.org/3/library/asyncio-sync.html#barrier
"""

import asyncio

EXPECTED = {}
SINCE = (3, 11)

tasks = []


async def work(number, batches, barrier, log):
    for _ in range(2):
        await batches.get()
        await barrier.wait()
    log.append(number)


async def boot(queues, log):
    barrier = asyncio.Barrier(len(queues))
    for number, batches in enumerate(queues):
        tasks.append(asyncio.create_task(work(number, batches, barrier, log)))  # innocent


async def main(park):
    queues, log = [asyncio.Queue() for _ in range(4)], []
    await asyncio.create_task(boot(queues, log))  # innocent
    for batches in queues:
        batches.put_nowait("first")
    for batches in queues[1:]:
        batches.put_nowait("second")
    await park()
    queues[0].put_nowait("second")
    await asyncio.gather(*tasks)
    assert sorted(log) == [0, 1, 2, 3]
