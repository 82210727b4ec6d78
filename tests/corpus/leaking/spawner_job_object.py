"""A job is an object that holds a coroutine; ``start`` makes a task of it.

Source: https://github.com/aio-libs/aiojobs/blob/master/aiojobs/_job.py
"""

import asyncio

EXPECTED = {"export": "unwakeable"}
RUNS = {"export": "render"}
COUNT = 5

jobs = []


class Job:
    def __init__(self, coro):
        self._coro = coro

    def start(self):
        self._task = asyncio.create_task(self._coro)
        return self


async def refresh(changes):
    while await changes.get():
        pass


async def render(started):
    await started.wait()


async def boot(changes):
    jobs.append(Job(refresh(changes)).start())  # innocent


async def export(number):
    jobs.append(Job(render(asyncio.Event())).start())  # guilty


async def main(park):
    changes = asyncio.Queue()
    await asyncio.create_task(boot(changes))
    await park.requests(export)
    await park()
    changes.put_nowait(None)
