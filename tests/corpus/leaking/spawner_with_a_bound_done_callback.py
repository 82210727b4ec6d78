"""A manager's done callback is a bound method, and its supervisor waits for failures in a queue of the same object.

The supervisor's wait does not own the jobs: their end is noted, and nothing waits for it.

Source: https://github.com/aio-libs/aiojobs/blob/master/aiojobs/_scheduler.py (``_failed_task``)
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
RUNS = {"handle": "listen"}
COUNT = 5


class Manager:
    def __init__(self):
        self.failed = asyncio.Queue()
        self.running = set()
        self.supervisor = asyncio.get_running_loop().create_task(self.supervise())  # innocent

    async def supervise(self):
        while await self.failed.get():
            pass

    def spawn(self, coro):
        task = asyncio.get_running_loop().create_task(coro)
        self.running.add(task)
        task.add_done_callback(self.done)

    def done(self, task):
        self.running.discard(task)
        if not task.cancelled() and task.exception():
            self.failed.put_nowait(task.exception())


async def listen(event):
    await event.wait()


async def check(number):
    raise ValueError(number)


async def handle(manager):
    manager.spawn(check(1))  # innocent
    manager.spawn(listen(asyncio.Event()))  # guilty


async def main(park):
    manager = Manager()

    async def request(number):
        await handle(manager)

    await park.requests(request)
    await park()
    manager.failed.put_nowait(None)
