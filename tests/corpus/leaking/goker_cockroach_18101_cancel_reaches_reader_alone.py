"""A cancelled import stops its reader; the splitters go on sending into the bounded queue and stick.

Source: GoBench, GoKer cockroach#18101 | https://github.com/cockroachdb/cockroach/pull/18101
"""

import asyncio

EXPECTED = {"restore": "unwakeable"}
COUNT = 5

background = set()


async def split_and_scatter(ready):
    for span in range(10):
        await ready.put(span)


async def restore(cancelled):
    ready = asyncio.Queue(maxsize=2)
    background.add(asyncio.create_task(split_and_scatter(ready)))  # guilty
    while not cancelled.is_set():
        if await ready.get() == 3:
            cancelled.set()


async def handle(number):
    await restore(asyncio.Event())


async def main(park):
    await park.requests(handle)
    await park()
