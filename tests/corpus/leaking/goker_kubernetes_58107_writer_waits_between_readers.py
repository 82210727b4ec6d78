"""A worker waits for work while it holds the read lock; a writer waits for that lock and keeps all other readers out.

Source: GoBench, GoKer kubernetes#58107 | https://github.com/kubernetes/kubernetes/pull/58107
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 15

background = set()


class ReadWriteLock:
    def __init__(self):
        self.turn = asyncio.Lock()
        self.readers = 0
        self.no_readers = asyncio.Condition()

    async def read(self):
        async with self.turn:
            self.readers += 1

    async def write(self):
        async with self.turn, self.no_readers:
            await self.no_readers.wait_for(lambda: self.readers == 0)


class Controller:
    def __init__(self):
        self.worker_lock = ReadWriteLock()
        self.work = asyncio.Queue()

    async def worker(self):
        await self.worker_lock.read()
        await self.work.get()
        self.worker_lock.readers -= 1

    async def enqueue(self):
        await self.worker_lock.read()
        self.work.put_nowait("quota")

    async def sync(self):
        await self.worker_lock.write()


async def handle(number):
    controller = Controller()
    for step in (controller.worker, controller.sync, controller.enqueue):
        background.add(asyncio.create_task(step()))  # guilty
        await asyncio.sleep(0)


async def main(park):
    await park.requests(handle)
    await park()
