"""A poller sends ticks until ``done`` is set; the caller has what it wanted and never sets it.

Source: GoBench, GoKer kubernetes#70277 | https://github.com/kubernetes/kubernetes/pull/70277
"""

import asyncio

EXPECTED = {"poll": "unwakeable"}
COUNT = 5

background = set()


async def tick(ticks, done):
    while not done.is_set():
        await ticks.put("tick")


async def poll(condition):
    ticks, done = asyncio.Queue(maxsize=1), asyncio.Event()
    background.add(asyncio.create_task(tick(ticks, done)))  # guilty
    while not condition():
        await ticks.get()


async def handle(number):
    await poll(lambda: True)


async def main(park):
    await park.requests(handle)
    await park()
