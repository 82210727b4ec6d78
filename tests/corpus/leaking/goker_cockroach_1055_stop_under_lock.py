"""A stopper waits for its workers to drain before it tells them to stop, and holds their lock meanwhile.

Source: GoBench, GoKer cockroach#1055 | https://github.com/cockroachdb/cockroach/pull/1055
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 15

background = set()


class Stopper:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.running = 0
        self.stopping = asyncio.Event()
        self.drained = asyncio.Event()

    async def work(self):
        async with self.lock:
            self.running += 1
        await self.stopping.wait()
        self.running -= 1
        if not self.running:
            self.drained.set()

    async def stop(self):
        async with self.lock:
            await self.drained.wait()
            self.stopping.set()


async def handle(number):
    stopper = Stopper()
    for job in (stopper.work(), stopper.work(), stopper.stop()):
        background.add(asyncio.create_task(job))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
