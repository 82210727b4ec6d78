"""A websocket's handler waits for data; the connection is lost, and nobody tells the queue that it reads from.

The handler is the request itself: the line has ever more of them.

Source: https://github.com/aio-libs/aiohttp/issues/4877
"""

import asyncio

EXPECTED = {"accept_request": "unwakeable"}
RUNS = {"accept_request": "handle"}
NO_ORPHAN = "the request itself hangs, and the server that made it lives"
COUNT = 40


class DataQueue:
    def __init__(self):
        self.buffer = []
        self.waiter = None

    async def read(self):
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter


class WebSocketResponse:
    def __init__(self):
        self.reader = DataQueue()

    async def receive(self):
        return await self.reader.read()


async def handle(number):
    await WebSocketResponse().receive()


async def main(park):
    await park.requests(handle, 40, end=14 * 60, patience=0.001)
    await park(at=None)
