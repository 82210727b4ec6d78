"""To decide whether an error is worth a log line, the queue asks if the store drains, and so waits until it does.

The event belongs to the store, which lives: the tasks could be woken, at shutdown.

Source: GoBench, GoKer cockroach#25456 | https://github.com/cockroachdb/cockroach/pull/25456
"""

import asyncio

EXPECTED = {"handle": "orphaned"}
COUNT = 5

background = set()


class Store:
    def __init__(self):
        self.draining = asyncio.Event()

    async def check_consistency(self):
        try:
            raise ConnectionError("replica is gone")
        except ConnectionError:
            await self.draining.wait()


store = Store()


async def handle(number):
    background.add(asyncio.create_task(store.check_consistency()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
    store.draining.set()
