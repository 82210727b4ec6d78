"""The request returns early on an error; the task it had started before waits for somebody to take its result.

Source: Uber, "Unveiling and Vanquishing Goroutine Leaks", early return | https://doi.org/10.1109/CGO57630.2024.10444835
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


async def load(taken):
    await taken.wait()


async def handle(number):
    taken = asyncio.Event()
    background.add(asyncio.create_task(load(taken)))  # guilty
    if number >= 0:
        return "400 Bad Request"
    taken.set()
    return "200 OK"


async def main(park):
    await park.requests(handle)
    await park()
