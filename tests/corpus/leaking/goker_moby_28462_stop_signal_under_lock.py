"""Closing the health monitor sends it a stop signal under the container's lock; the monitor wants that lock first.

Source: GoBench, GoKer moby#28462 | https://github.com/moby/moby/pull/28462
"""

import asyncio

EXPECTED = {"Container.start": "unwakeable", "handle": "unwakeable"}
COUNT = 5

background = set()


class Container:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.stop = asyncio.Queue()

    def start(self):
        background.add(asyncio.create_task(self.monitor()))  # guilty

    async def monitor(self):
        while self.stop.empty():
            await asyncio.sleep(0)
        async with self.lock:
            self.stop.get_nowait()
            self.stop.task_done()

    async def state_changed(self):
        async with self.lock:
            self.stop.put_nowait("stop")
            await self.stop.join()


async def handle(number):
    container = Container()
    container.start()
    background.add(asyncio.create_task(container.state_changed()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
