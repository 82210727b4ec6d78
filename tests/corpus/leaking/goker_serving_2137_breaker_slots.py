"""A breaker has one slot and one place in its queue; whoever holds the slot waits for a caller that gets no place.

Source: GoBench, GoKer serving#2137 | https://github.com/knative/serving/pull/2137
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 10

background = set()


class Breaker:
    def __init__(self):
        self.active = asyncio.Semaphore(1)

    async def run(self, thunk):
        async with self.active:
            await thunk()


async def handle(number):
    breaker, second_is_in = Breaker(), asyncio.Event()

    async def second():
        second_is_in.set()

    background.add(asyncio.create_task(breaker.run(second_is_in.wait)))  # guilty
    background.add(asyncio.create_task(breaker.run(second)))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
