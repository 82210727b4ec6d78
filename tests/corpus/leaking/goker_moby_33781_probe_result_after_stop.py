"""The health probe's parent returns at the stop signal without taking the probe's result.

Source: GoBench, GoKer moby#33781 | https://github.com/moby/moby/pull/33781
"""

import asyncio

EXPECTED = {"monitor": "unwakeable"}
COUNT = 5

background = set()


async def probe(results):
    results.put_nowait("healthy")
    await results.join()


async def monitor(stop):
    results = asyncio.Queue()
    background.add(asyncio.create_task(probe(results)))  # guilty
    await stop.wait()


async def handle(number):
    stop = asyncio.Event()
    stop.set()
    await monitor(stop)


async def main(park):
    await park.requests(handle)
    await park()
