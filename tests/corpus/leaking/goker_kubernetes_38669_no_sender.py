"""The scheduler's test waits for a bound pod on a channel to which nothing was ever connected.

Source: GoBench, GoKer kubernetes#38669 | https://github.com/kubernetes/kubernetes/pull/38669
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


async def wait_for_binding(bound):
    return await bound.get()


async def handle(number):
    background.add(asyncio.create_task(wait_for_binding(asyncio.Queue())))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
