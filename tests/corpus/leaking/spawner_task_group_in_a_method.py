"""A service wraps a task group in a method; its tasks belong to the group, and one kind of them is never ended.

The group lives as long as the service, so it owns what leaks; what started a session has ended, and
nothing else can wake it.

Source: https://docs.python.org/3/library/asyncio-task.html#task-groups
"""

import asyncio

EXPECTED = {"connect": "unwakeable"}
RUNS = {"connect": "keep_session"}
COUNT = 40
SINCE = (3, 11)
NO_ORPHAN = "the group waits for them"


class Service:
    def __init__(self):
        self.news = asyncio.Queue()
        self.closing = asyncio.Event()

    async def run(self):
        async with asyncio.TaskGroup() as self.group:
            self.start(self.broadcast())  # innocent
            await self.closing.wait()
            for task in self.group._tasks:
                task.cancel()

    def start(self, coro):
        return self.group.create_task(coro)

    async def broadcast(self):
        while await self.news.get():
            pass


async def keep_session(closed):
    await closed.wait()


async def connect(service):
    service.start(keep_session(asyncio.Event()))  # guilty


async def main(park):
    service = Service()
    running = asyncio.create_task(service.run())  # innocent

    async def handle(number):
        service.news.put_nowait(number + 1)
        await connect(service)

    await park.requests(handle, 40, end=14 * 60)
    await park(at=None)
    service.closing.set()
    await running
