"""Several replicas are asked, the first answer is taken; every other replica's task waits to hand in its own.

Source: Uber, "Unveiling and Vanquishing Goroutine Leaks", n-cast | https://doi.org/10.1109/CGO57630.2024.10444835
"""

import asyncio

EXPECTED = {"ask_all": "unwakeable"}
COUNT = 15

background = set()


async def ask(replica, answers):
    await answers.put(f"answer of {replica}")


async def ask_all(replicas):
    answers = asyncio.Queue(maxsize=1)
    for replica in replicas:
        background.add(asyncio.create_task(ask(replica, answers)))  # guilty
    return await answers.get()


async def handle(number):
    await ask_all(["a", "b", "c", "d", "e"])


async def main(park):
    await park.requests(handle)
    await park()
