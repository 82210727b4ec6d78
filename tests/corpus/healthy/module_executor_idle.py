"""A module keeps one pool for its blocking calls; workers come one at a time, with the requests that need them.

Ten idle threads of one line, younger than start-up, their creators ended: idle workers of an executor that lives.

Source: https://docs.python.org/3/library/concurrent.futures.html#threadpoolexecutor
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

EXPECTED = {}

pool = ThreadPoolExecutor(max_workers=10, thread_name_prefix="reports")  # innocent


async def main(park):
    async def render(number):
        # So many at once that one more worker is needed.
        together = threading.Barrier(number + 1)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, together.wait) for _ in range(number + 1)))

    await park.requests(render, 10, patience=1.0)
    await park()
    pool.shutdown()
