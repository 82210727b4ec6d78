"""More calls than workers, at every moment; each call takes minutes, and ends.

Source: https://docs.python.org/3/library/asyncio-eventloop.html#executing-code-in-thread-or-process-pools
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

THREADS = True


def convert(finished):
    finished.wait()


async def main(park):
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as pool:  # innocent
        calls = []

        async def handle(number):
            finished = threading.Event()
            calls.append((finished, loop.run_in_executor(pool, convert, finished)))
            if len(calls) > 4:
                event, future = calls.pop(0)
                event.set()
                await future

        # A minute and a half between two, so that a call runs three minutes.
        await park.requests(handle, 14, end=20 * 60)
        await park()
        for event, _ in calls:
            event.set()
        await asyncio.gather(*(future for _, future in calls))
