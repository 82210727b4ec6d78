"""Jobs are objects with an asynchronous ``__call__``; the spawner is one with a plain ``__call__``.

Source: https://docs.python.org/3/reference/datamodel.html#object.__call__, as in the tasks of
https://github.com/python-arq/arq
"""

import asyncio

EXPECTED = {"reserve": "unwakeable"}
RUNS = {"reserve": "Hold.__call__"}
COUNT = 5


class Spawner:
    def __init__(self):
        self.tasks = []

    def __call__(self, job):
        self.tasks.append(asyncio.create_task(job()))


spawn = Spawner()


class Sweep:
    def __init__(self, due):
        self.due = due

    async def __call__(self):
        while await self.due.get():
            pass


class Hold:
    def __init__(self):
        self.released = asyncio.Event()

    async def __call__(self):
        await self.released.wait()


async def boot(due):
    spawn(Sweep(due))  # innocent


async def reserve(number):
    spawn(Hold())  # guilty


async def main(park):
    due = asyncio.Queue()
    await asyncio.create_task(boot(due))
    await park.requests(reserve)
    await park()
    due.put_nowait(None)
