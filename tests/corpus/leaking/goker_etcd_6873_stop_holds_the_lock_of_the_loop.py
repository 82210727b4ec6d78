"""``stop`` takes the lock and waits for the loop to end; the loop wants the lock to coalesce one last update.

Source: GoBench, GoKer etcd#6873 | https://github.com/etcd-io/etcd/pull/6873
"""

import asyncio

EXPECTED = {"Broadcasts.__init__": "unwakeable", "handle": "unwakeable"}
COUNT = 5

background = set()


class Broadcasts:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.updates = asyncio.Queue()
        self.done = asyncio.Event()
        background.add(asyncio.create_task(self.loop()))  # guilty

    async def loop(self):
        while await self.updates.get() is not None:
            async with self.lock:
                pass
        self.done.set()

    async def stop(self):
        async with self.lock:
            self.updates.put_nowait(None)
            await self.done.wait()


async def handle(number):
    broadcasts = Broadcasts()
    await asyncio.sleep(0)
    background.add(asyncio.create_task(broadcasts.stop()))  # guilty
    broadcasts.updates.put_nowait("update")


async def main(park):
    await park.requests(handle)
    await park()
