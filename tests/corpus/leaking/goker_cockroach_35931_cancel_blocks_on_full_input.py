"""Cancelling a flow writes a last message to each input in turn; the first is full, so the second never hears of it.

Source: GoBench, GoKer cockroach#35931 | https://github.com/cockroachdb/cockroach/pull/35931
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 10

background = set()


async def join_inputs(left, right):
    while await right.get() is not None:
        await left.get()


async def cancel_flow(inputs):
    for channel in inputs:
        await channel.put(None)


async def handle(number):
    left, right = asyncio.Queue(maxsize=1), asyncio.Queue(maxsize=1)
    left.put_nowait("row")
    background.add(asyncio.create_task(join_inputs(left, right)))  # guilty
    background.add(asyncio.create_task(cancel_flow([left, right])))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
