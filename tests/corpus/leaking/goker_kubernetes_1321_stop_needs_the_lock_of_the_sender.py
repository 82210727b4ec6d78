"""The multiplexer sends a result under its lock; stopping the watcher would make room, but takes the lock first.

Source: GoBench, GoKer kubernetes#1321 | https://github.com/kubernetes/kubernetes/pull/1321
"""

import asyncio

EXPECTED = {"Mux.__init__": "unwakeable", "handle": "unwakeable"}
COUNT = 5

background = set()


class Mux:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.result = asyncio.Queue(maxsize=1)
        background.add(asyncio.create_task(self.distribute()))  # guilty

    async def distribute(self):
        async with self.lock:
            for event in range(2):
                await self.result.put(event)

    async def stop_watching(self):
        async with self.lock:
            self.result.get_nowait()


async def handle(number):
    mux = Mux()
    await asyncio.sleep(0)
    background.add(asyncio.create_task(mux.stop_watching()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
