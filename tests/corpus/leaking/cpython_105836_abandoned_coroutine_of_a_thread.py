"""A thread waits a while for a coroutine on the loop, gives up, and leaves it there.

Source: https://github.com/python/cpython/issues/105836
"""

import asyncio
import concurrent.futures

EXPECTED = {"answer": "unwakeable"}
NO_ORPHAN = "the future that the thread was given for it is not done, so to all appearances somebody may still ask it"
COUNT = 5

loop = None
held = set()


async def answer():
    held.add(asyncio.current_task())
    await asyncio.get_running_loop().create_future()


def handle(number):
    future = asyncio.run_coroutine_threadsafe(answer(), loop)
    try:
        future.result(timeout=0.01)
    except concurrent.futures.TimeoutError:
        return


async def main(park):
    global loop
    loop = asyncio.get_running_loop()
    await park.requests(handle, patience=1)
    await park()
