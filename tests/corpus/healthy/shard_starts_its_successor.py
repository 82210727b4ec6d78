"""Shards of a gateway connection, each of which starts its own successor when the server asks for a reconnect.

The first start and the restarts are two plain lines. The shards are as many as ever.

Source: https://discord.com/developers/docs/events/gateway#resuming (opcode 7, Reconnect)
"""

import asyncio

EXPECTED = {}

SHARDS = 8
shards = {}


async def main(park):
    reconnects = {number: asyncio.Queue() for number in range(SHARDS)}
    started = []

    async def shard(number):
        started.append(number)
        if await reconnects[number].get():
            shards[number] = asyncio.create_task(shard(number))  # innocent

    async def boot():
        for number in range(SHARDS):
            shards[number] = asyncio.create_task(shard(number))  # innocent

    async def handle(number):
        reconnects[number].put_nowait(True)

    await asyncio.create_task(boot())
    await park.requests(handle, 2)
    await park()
    assert len(started) == SHARDS + 2
    for queue in reconnects.values():
        queue.put_nowait(False)
    await asyncio.gather(*shards.values())
