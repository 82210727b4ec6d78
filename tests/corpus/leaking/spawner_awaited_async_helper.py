"""The helper is a coroutine function itself: it waits for a free slot before it starts the task.

Source: https://anyio.readthedocs.io/en/stable/synchronization.html#capacity-limiters and
https://aiojobs.readthedocs.io/en/stable/api.html#aiojobs.Scheduler.spawn
"""

import asyncio

EXPECTED = {"crawl": "unwakeable"}
RUNS = {"crawl": "fetch"}
COUNT = 5


class Limited:
    def __init__(self, slots):
        self.slots = asyncio.Semaphore(slots)
        self.tasks = set()

    async def spawn(self, coro):
        await self.slots.acquire()
        return await self._start(coro)

    async def _start(self, coro):
        await asyncio.sleep(0)
        self.tasks.add(task := asyncio.create_task(coro))
        task.add_done_callback(self._ended)

    def _ended(self, task):
        self.tasks.discard(task)
        self.slots.release()


async def index(pages):
    while await pages.get():
        pass


async def fetch(answered):
    await answered.wait()


async def main(park):
    limited, pages = Limited(20_000), asyncio.Queue()
    await asyncio.create_task(boot(limited, pages))

    async def handle(number):
        await crawl(limited)

    await park.requests(handle)
    await park()
    pages.put_nowait(None)


async def boot(limited, pages):
    await limited.spawn(index(pages))  # innocent


async def crawl(limited):
    await limited.spawn(fetch(asyncio.Event()))  # guilty
