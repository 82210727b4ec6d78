"""Reading the progress stops at the first surprise; the writer of the updates stays at the full queue.

Source: GoBench, GoKer moby#21233 | https://github.com/moby/moby/pull/21233
"""

import asyncio

EXPECTED = {"transfer": "unwakeable"}
COUNT = 5

background = set()


async def write_progress(progress):
    for percent in range(0, 101, 10):
        await progress.put(percent)


def transfer():
    progress = asyncio.Queue(maxsize=3)
    background.add(asyncio.create_task(write_progress(progress)))  # guilty
    return progress


async def handle(number):
    progress = transfer()
    assert await progress.get() == 50, "expected every update"


async def main(park):
    await park.requests(handle)
    await park()
