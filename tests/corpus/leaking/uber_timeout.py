"""Waiting for a result is cut short by a context; the sender still waits for the one who left.

Source: Uber, "Unveiling and Vanquishing Goroutine Leaks", timeout | https://doi.org/10.1109/CGO57630.2024.10444835
"""

import asyncio

EXPECTED = {"call_with_deadline": "unwakeable"}
COUNT = 5

background = set()


async def compute(channel, may_send):
    await may_send.wait()
    channel.put_nowait("late")
    await channel.join()


async def call_with_deadline(deadline, may_send):
    channel = asyncio.Queue()
    background.add(asyncio.create_task(compute(channel, may_send)))  # guilty
    reading = asyncio.create_task(channel.get())  # innocent
    await asyncio.wait({reading}, timeout=deadline)
    reading.cancel()


async def handle(number):
    may_send = asyncio.Event()
    await call_with_deadline(0.001, may_send)
    may_send.set()


async def main(park):
    await park.requests(handle)
    await park()
