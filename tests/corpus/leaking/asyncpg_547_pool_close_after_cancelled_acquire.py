"""An acquire is cancelled after it took its holder out of the queue; closing the pool waits for that holder.

Source: https://github.com/MagicStack/asyncpg/issues/547
"""

import asyncio

EXPECTED = {"reload": "unwakeable"}
COUNT = 5

background = set()


class Pool:
    def __init__(self):
        self.holders = asyncio.Queue()
        self.holders.put_nowait("connection")

    async def acquire(self, connected):
        holder = await self.holders.get()
        await connected.wait()
        return holder

    async def close(self):
        await self.holders.get()


async def reload(pool):
    background.add(asyncio.create_task(pool.close()))  # guilty


async def handle(number):
    pool = Pool()
    acquiring = asyncio.create_task(pool.acquire(asyncio.Event()))  # innocent
    await asyncio.sleep(0)
    acquiring.cancel()
    await reload(pool)


async def main(park):
    await park.requests(handle)
    await park()
