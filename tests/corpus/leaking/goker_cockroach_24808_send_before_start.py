"""The compactor queues a suggestion of its own before its loop runs; the queue is already full.

Source: GoBench, GoKer cockroach#24808 | https://github.com/cockroachdb/cockroach/pull/24808
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


class Compactor:
    def __init__(self):
        self.suggestions = asyncio.Queue(maxsize=1)

    async def start(self):
        await self.suggestions.put("look at what was there before")
        while True:
            await self.suggestions.get()


async def handle(number):
    compactor = Compactor()
    compactor.suggestions.put_nowait("early")
    background.add(asyncio.create_task(compactor.start()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
