"""A thread waits a while for a coroutine on the loop, gives up, and leaves it there.

Source: https://github.com/python/cpython/issues/105836
"""

import asyncio
import concurrent.futures

EXPECTED = {"handle": "unwakeable"}
RUNS = {"handle": "answer"}
COUNT = 5

loop = None
held = set()


async def answer():
    held.add(asyncio.current_task())
    await asyncio.get_running_loop().create_future()


def handle(number):
    future = asyncio.run_coroutine_threadsafe(answer(), loop)  # guilty
    try:
        future.result(timeout=0.01)
    except concurrent.futures.TimeoutError:
        return


async def main(park):
    global loop
    loop = asyncio.get_running_loop()
    await park.requests(handle, patience=1)
    await park()
