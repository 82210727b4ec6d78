"""The notifier signals its condition once, before anybody waits for it; who comes later waits for ever.

Source: GoBench, GoKer kubernetes#11298 | https://github.com/kubernetes/kubernetes/pull/11298
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


async def serve(changed):
    async with changed:
        await changed.wait()


async def notify(changed):
    async with changed:
        changed.notify_all()


async def handle(number):
    changed = asyncio.Condition()
    await notify(changed)
    background.add(asyncio.create_task(serve(changed)))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
