"""One task sends its event under the lock; the task that would take it wants the lock first.

Source: GoBench, GoKer istio#16224 | https://github.com/istio/istio/pull/16224
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 10

background = set()


class ConfigStore:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.events = asyncio.Queue(maxsize=1)
        self.events.put_nowait("loaded")

    async def create(self):
        async with self.lock:
            await self.events.put("created")

    async def watch(self):
        while True:
            async with self.lock:
                await self.events.get()


async def handle(number):
    store = ConfigStore()
    background.add(asyncio.create_task(store.create()))  # guilty
    background.add(asyncio.create_task(store.watch()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
