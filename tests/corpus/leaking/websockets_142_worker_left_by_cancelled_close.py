"""``close`` is cancelled while it waits for the closing handshake, so it never stops the connection's worker.

Source: https://github.com/python-websockets/websockets/issues/142
"""

import asyncio

EXPECTED = {"Connection.__init__": "unwakeable"}
COUNT = 5

workers = set()


class Connection:
    def __init__(self):
        self.frames = asyncio.Queue()
        self.handshake = asyncio.Event()
        self.worker = asyncio.create_task(self.work())  # guilty
        workers.add(self.worker)

    async def work(self):
        while await self.frames.get():
            pass

    async def close(self):
        await self.handshake.wait()
        self.worker.cancel()


async def handle(number):
    connection = Connection()
    try:
        await asyncio.wait_for(connection.close(), 0.001)
    except asyncio.TimeoutError:
        return


async def main(park):
    await park.requests(handle)
    await park()
