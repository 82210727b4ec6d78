"""x.

Source: GoBench.
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


async def handle(number):
    done = asyncio.Queue()

    async def worker():
        await done.get()

    background.add(asyncio.create_task(worker()))


async def main(park):
    await park.requests(handle)
    await park()
