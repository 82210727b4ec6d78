"""Two loops send to each other: one waits for room in the events, the other for room in the callbacks.

Source: GoBench, GoKer cockroach#2448 | https://github.com/cockroachdb/cockroach/pull/2448
"""

import asyncio

EXPECTED = {"Store.start": "unwakeable"}
COUNT = 10

loops = set()


class Store:
    def __init__(self):
        self.events = asyncio.Queue(maxsize=1)
        self.callbacks = asyncio.Queue(maxsize=1)

    def start(self):
        loops.add(asyncio.create_task(self.raft()))  # guilty
        loops.add(asyncio.create_task(self.process()))  # guilty

    async def raft(self):
        while True:
            for event in range(3):
                await self.events.put(event)
            await self.callbacks.get()

    async def process(self):
        while True:
            event = await self.events.get()
            for part in range(2):
                await self.callbacks.put((event, part))


async def handle(number):
    Store().start()


async def main(park):
    await park.requests(handle)
    await park()
