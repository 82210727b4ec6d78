"""Stopping a consumer waits for its heartbeat to end; the heartbeat waits for a coordinator that nobody will find now.

Source: https://github.com/aio-libs/aiokafka/issues/773
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
DRAGGED = {"Coordinator.__init__"}
COUNT = 5

background = set()


class Coordinator:
    def __init__(self):
        self.found = asyncio.Event()
        self.heartbeat = asyncio.create_task(self.beat())

    async def beat(self):
        await self.found.wait()

    async def close(self):
        await self.heartbeat


async def handle(number):
    background.add(asyncio.create_task(Coordinator().close()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
