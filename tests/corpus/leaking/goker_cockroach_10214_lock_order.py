"""Heartbeats take the coalescing lock and then the raft lock, the tick takes them the other way round: both wait.

Source: GoBench, GoKer cockroach#10214 | https://github.com/cockroachdb/cockroach/pull/10214
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 10

background = set()


async def take_both(first, second):
    async with first:
        await asyncio.sleep(0)
        async with second:
            pass


async def handle(number):
    coalesced, raft = asyncio.Lock(), asyncio.Lock()
    background.add(asyncio.create_task(take_both(coalesced, raft)))  # guilty
    background.add(asyncio.create_task(take_both(raft, coalesced)))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
