"""Requests send blocking work to threads; the default executor's workers stay idle ever after.

Up to ``min(32, cpus + 4)`` threads, started by requests that have ended, each waiting for ever, by design until exit.

Source: https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.run_in_executor
"""

import asyncio
import threading

EXPECTED = {}


async def main(park):
    async def handle(number):
        together = threading.Barrier(3)
        names = await asyncio.gather(*(asyncio.to_thread(together.wait) for _ in range(3)))  # innocent
        assert sorted(names) == [0, 1, 2]

    await park.requests(handle, 8, patience=1.0)
    await park()
