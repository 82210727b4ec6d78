"""The gossip loop leaves by ``break`` while it holds its lock, and whoever manages the rest waits for that lock.

Source: GoBench, GoKer cockroach#584 | https://github.com/cockroachdb/cockroach/pull/584
"""

import asyncio

EXPECTED = {"Gossip.start": "unwakeable"}
COUNT = 5

background = set()


class Gossip:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.closed = True

    async def bootstrap(self):
        while True:
            await self.lock.acquire()
            if self.closed:
                break
            self.lock.release()

    async def manage(self):
        async with self.lock:
            pass

    async def start(self):
        await self.bootstrap()
        background.add(asyncio.create_task(self.manage()))  # guilty


async def handle(number):
    await Gossip().start()


async def main(park):
    await park.requests(handle)
    await park()
