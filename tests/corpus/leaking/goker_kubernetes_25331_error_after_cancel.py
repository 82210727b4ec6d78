"""A watch that fails sends its error although the one who would take it was told to stop and left.

Source: GoBench, GoKer kubernetes#25331 | https://github.com/kubernetes/kubernetes/pull/25331
"""

import asyncio

EXPECTED = {"Watch.__init__": "unwakeable"}
COUNT = 5

background = set()


class Watch:
    def __init__(self):
        self.results = asyncio.Queue(maxsize=1)
        self.stopped = asyncio.Event()
        background.add(asyncio.create_task(self.run()))  # guilty

    async def run(self):
        await self.results.put("added")
        try:
            await self.stopped.wait()
            raise ConnectionResetError
        except ConnectionResetError:
            await self.results.put("error")

    def stop(self):
        self.stopped.set()


async def handle(number):
    watch = Watch()
    await asyncio.sleep(0)
    watch.stop()


async def main(park):
    await park.requests(handle)
    await park()
