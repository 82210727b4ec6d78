"""The loop that takes events leaves at shutdown, the workers that send them stay blocked on the full queue.

Source: GoBench, GoKer cockroach#1462 | https://github.com/cockroachdb/cockroach/pull/1462
"""

import asyncio

EXPECTED = {"Transport.start": "unwakeable"}
COUNT = 10

workers = set()


class Transport:
    def __init__(self):
        self.events = asyncio.Queue(maxsize=1)
        self.stopping = asyncio.Event()

    def start(self):
        for name in ("heartbeat", "raft"):
            workers.add(asyncio.create_task(self.intercept(name)))  # guilty

    async def intercept(self, name):
        while not self.stopping.is_set():
            await self.events.put(name)

    async def process_until_stopped(self):
        await self.events.get()
        self.stopping.set()


async def handle(number):
    transport = Transport()
    transport.start()
    await transport.process_until_stopped()
    await transport.events.put("last")


async def main(park):
    await park.requests(handle)
    await park()
