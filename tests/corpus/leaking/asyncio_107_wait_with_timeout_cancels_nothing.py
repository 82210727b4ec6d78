"""``asyncio.wait`` returns at its timeout without cancelling; the caller ignores the set of what is pending.

Source: https://github.com/python/asyncio/issues/107
"""

import asyncio

EXPECTED = {"read_all": "unwakeable"}
COUNT = 15

reads = set()


async def read(stream):
    return await stream.get()


async def read_all(streams):
    tasks = {asyncio.create_task(read(stream)) for stream in streams}  # guilty
    reads.update(tasks)
    done, _ = await asyncio.wait(tasks, timeout=0.001)
    return [task.result() for task in done]


async def handle(number):
    await read_all([asyncio.Queue() for _ in range(3)])


async def main(park):
    await park.requests(handle)
    await park()
