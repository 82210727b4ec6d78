"""A request gives up on a call in a thread; the call waits on, and keeps its worker, until none is left.

Source: https://github.com/python/cpython/issues/107505
"""

import asyncio
import queue
from concurrent.futures import ThreadPoolExecutor

EXPECTED = {"make_pool": "orphaned"}
COUNT = 4
THREADS = True

queues = []


def make_pool():
    return ThreadPoolExecutor(4)  # guilty


async def main(park):
    loop = asyncio.get_running_loop()
    loop.set_default_executor(make_pool())

    async def handle(number):
        queues.append(queue.Queue())
        try:
            await asyncio.wait_for(asyncio.to_thread(queues[-1].get), timeout=0.01)
        except asyncio.TimeoutError:
            return

    await park.requests(handle, 8)
    await park()
    for parcels in queues:
        parcels.put(None)
