"""The dialler waits for the first addresses of a balancer whose watcher has already returned.

Source: GoBench, GoKer grpc#1424 | https://github.com/grpc/grpc-go/pull/1424
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


async def watch(addresses, found):
    while (address := await addresses.get()) is not None:
        found.set_result(address)


async def dial(found):
    return await found


async def handle(number):
    addresses, found = asyncio.Queue(), asyncio.get_running_loop().create_future()
    watcher = asyncio.create_task(watch(addresses, found))  # innocent
    background.add(asyncio.create_task(dial(found)))  # guilty
    addresses.put_nowait(None)
    await watcher


async def main(park):
    await park.requests(handle)
    await park()
