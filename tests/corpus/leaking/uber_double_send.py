"""After an error the sender sends an empty result and forgets to return; its second result has no receiver.

Source: Uber, "Unveiling and Vanquishing Goroutine Leaks", double send | https://doi.org/10.1109/CGO57630.2024.10444835
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


async def send(channel, error):
    if error is not None:
        await channel.put(None)
    await channel.put("result")


async def handle(number):
    channel = asyncio.Queue(maxsize=1)
    channel.put_nowait("the one before")
    background.add(asyncio.create_task(send(channel, TimeoutError())))  # guilty
    await channel.get()


async def main(park):
    await park.requests(handle)
    await park()
