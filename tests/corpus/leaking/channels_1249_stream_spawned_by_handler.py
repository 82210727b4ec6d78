"""A streaming consumer returns from ``handle`` and leaves a task to send the stream; disconnecting does not reach it.

Source: https://github.com/django/channels/issues/1249
"""

import asyncio

EXPECTED = {"EventConsumer.handle": "unwakeable"}
COUNT = 5

streams = set()


class EventConsumer:
    def __init__(self):
        self.events = asyncio.Condition()

    async def handle(self):
        streams.add(asyncio.create_task(self.stream()))  # guilty

    async def stream(self):
        async with self.events:
            while True:
                await self.events.wait()

    async def disconnect(self):
        """Overridden by nobody."""


async def handle(number):
    consumer = EventConsumer()
    await consumer.handle()
    await asyncio.sleep(0)
    await consumer.disconnect()


async def main(park):
    await park.requests(handle)
    await park()
