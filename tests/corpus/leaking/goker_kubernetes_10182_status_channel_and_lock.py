"""The status manager takes a status from the channel and then the lock; setters hold that lock while they send.

Source: GoBench, GoKer kubernetes#10182 | https://github.com/kubernetes/kubernetes/pull/10182
"""

import asyncio

EXPECTED = {"StatusManager.start": "unwakeable", "handle": "unwakeable"}
COUNT = {"StatusManager.start": 5, "handle": 10}

background = set()


class StatusManager:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.statuses = asyncio.Queue(maxsize=1)

    def start(self):
        background.add(asyncio.create_task(self.sync_batches()))  # guilty

    async def sync_batches(self):
        while True:
            await self.statuses.get()
            async with self.lock:
                pass

    async def set_status(self):
        async with self.lock:
            for status in range(3):
                await self.statuses.put(status)


async def handle(number):
    manager = StatusManager()
    manager.start()
    for _ in range(2):
        background.add(asyncio.create_task(manager.set_status()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
