"""Closing a subscription gives its connection back to the pool, but its consumer task is not stopped.

Source: https://github.com/alisaifee/coredis/issues/282
"""

import asyncio

EXPECTED = {"PubSub.subscribe": "unwakeable"}
COUNT = 5

consumers = set()


class PubSub:
    def __init__(self):
        self.subscribed = asyncio.Event()

    async def __aenter__(self):
        self.subscribe()
        return self

    async def __aexit__(self, *_):
        self.connection = None

    def subscribe(self):
        consumers.add(asyncio.create_task(self.consume()))  # guilty

    async def consume(self):
        while True:
            await self.subscribed.wait()


async def handle(number):
    async with PubSub():
        return "result"


async def main(park):
    await park.requests(handle)
    await park()
