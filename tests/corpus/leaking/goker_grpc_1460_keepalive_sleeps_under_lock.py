"""The keep-alive waits to be awakened while it holds the lock that a new stream needs before it can awaken it.

Source: GoBench, GoKer grpc#1460 | https://github.com/grpc/grpc-go/pull/1460
"""

import asyncio

EXPECTED = {"connect": "unwakeable"}
COUNT = 10

background = set()


class Transport:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.awaken = asyncio.Event()

    async def keep_alive(self):
        async with self.lock:
            await self.awaken.wait()

    async def new_stream(self):
        async with self.lock:
            self.awaken.set()


async def connect():
    transport = Transport()
    background.add(asyncio.create_task(transport.keep_alive()))  # guilty
    background.add(asyncio.create_task(transport.new_stream()))  # guilty


async def handle(number):
    await connect()


async def main(park):
    await park.requests(handle)
    await park()
