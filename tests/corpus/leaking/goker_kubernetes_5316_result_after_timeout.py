"""A request gives up waiting after its timeout; the work goes on and then sends its result to nobody.

Source: GoBench, GoKer kubernetes#5316 | https://github.com/kubernetes/kubernetes/pull/5316
"""

import asyncio

EXPECTED = {"finish_request": "unwakeable"}
COUNT = 5

background = set()


async def work(results, released):
    await released.wait()
    await results.put("result")
    await results.join()


async def finish_request(released):
    results = asyncio.Queue()
    background.add(asyncio.create_task(work(results, released)))  # guilty
    try:
        return await asyncio.wait_for(results.get(), 0.001)
    except asyncio.TimeoutError:
        return "504"


async def handle(number):
    released = asyncio.Event()
    await finish_request(released)
    released.set()


async def main(park):
    await park.requests(handle)
    await park()
