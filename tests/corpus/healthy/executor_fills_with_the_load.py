"""The load rises for hours; an executor makes a worker when none is idle, up to its limit, and never ends one.

Source: https://docs.python.org/3/library/concurrent.futures.html#threadpoolexecutor
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

THREADS = True


async def main(park):
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(64) as pool:  # innocent

        async def handle(number):
            barrier = threading.Barrier(number + 1)
            await asyncio.gather(*(loop.run_in_executor(pool, barrier.wait) for _ in range(number + 1)))

        await park.requests(handle, 40, end=16 * 60)
        await park()
