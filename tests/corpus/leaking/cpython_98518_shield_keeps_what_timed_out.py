"""``wait_for`` around a shield ends the waiting, not the work; the work hangs, and nobody looks after it.

Source: https://github.com/python/cpython/pull/98518
"""

import asyncio

EXPECTED = {"save": "unwakeable"}
COUNT = 5

writes = set()


async def write(acknowledged):
    await acknowledged.wait()


async def save(row):
    task = asyncio.create_task(write(asyncio.Event()))  # guilty
    writes.add(task)
    await asyncio.wait_for(asyncio.shield(task), 0.001)


async def handle(number):
    try:
        await save("row")
    except asyncio.TimeoutError:
        return


async def main(park):
    await park.requests(handle)
    await park()
