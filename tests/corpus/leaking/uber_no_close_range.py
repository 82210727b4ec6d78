"""Workers loop over a channel until it is closed; the items run out and nobody closes it.

Source: Uber, "Unveiling and Vanquishing Goroutine Leaks", unclosed range | https://doi.org/10.1109/CGO57630.2024.10444835
"""

import asyncio

EXPECTED = {"process": "unwakeable"}
COUNT = 15

background = set()


async def items_of(channel):
    while True:
        yield await channel.get()
        channel.task_done()


async def work(channel):
    async for _ in items_of(channel):
        pass


async def process(items, workers):
    channel = asyncio.Queue()
    for _ in range(workers):
        background.add(asyncio.create_task(work(channel)))  # guilty
    for item in items:
        channel.put_nowait(item)
    await channel.join()


async def handle(number):
    await process(["a", "b", "c"], workers=3)


async def main(park):
    await park.requests(handle)
    await park()
