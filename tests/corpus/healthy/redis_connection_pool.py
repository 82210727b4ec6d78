"""A pool of the Redis client, opened by the requests that need it, and a lock that is prolonged by a task meanwhile.

Connections outlive the requests that opened them, and hold readers.

Source: https://redis.readthedocs.io/en/stable/connections.html#async-client
"""

import asyncio

import fakeredis

EXPECTED = {}
NEEDS = ("fakeredis", "redis")


async def main(park):
    client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer())

    async def handle(number):
        await asyncio.gather(*(client.incr("visits") for _ in range(5)))  # innocent

    await park.requests(handle, 8, patience=1.0)
    await park()
    assert int(await client.get("visits")) == 40
    await client.aclose()
