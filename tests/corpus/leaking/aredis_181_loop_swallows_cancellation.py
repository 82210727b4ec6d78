"""A reading loop catches everything to survive lost connections, its own cancellation too, and reads on.

Source: https://github.com/NoneGG/aredis/issues/181
"""

import asyncio

EXPECTED = {"endpoint": "unwakeable"}
COUNT = 5

readers = set()


async def read(messages):
    for _ in range(2):
        try:
            await messages.get()
        except BaseException:
            continue


async def endpoint():
    reader = asyncio.create_task(read(asyncio.Queue()))  # guilty
    readers.add(reader)
    await asyncio.sleep(0)
    reader.cancel()


async def handle(number):
    await endpoint()


async def main(park):
    await park.requests(handle)
    await park()
