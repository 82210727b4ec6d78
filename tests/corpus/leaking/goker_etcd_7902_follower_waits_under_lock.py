"""The follower waits for the leader's signal while it holds the lock that the leader needs before it can give it.

Source: GoBench, GoKer etcd#7902 | https://github.com/etcd-io/etcd/pull/7902
"""

import asyncio

EXPECTED = {"run_election": "unwakeable"}
COUNT = 10

background = set()


async def follow(lock, next_round, follower_has_lock):
    async with lock:
        follower_has_lock.set()
        await next_round.wait()


async def lead(lock, next_round, follower_has_lock):
    await follower_has_lock.wait()
    async with lock:
        next_round.set()


async def run_election():
    lock, next_round, follower_has_lock = asyncio.Lock(), asyncio.Event(), asyncio.Event()
    for role in (lead, follow):
        background.add(asyncio.create_task(role(lock, next_round, follower_has_lock)))  # guilty


async def handle(number):
    await run_election()


async def main(park):
    await park.requests(handle)
    await park()
