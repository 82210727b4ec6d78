"""The active instance holds a lock for as long as it lives; the standby waits for that lock, for hours if need be.

To wait twenty minutes in ``lock.acquire`` looks like a deadlock, but the holder runs and will let go at shutdown.

Source: https://docs.python.org/3/library/asyncio-sync.html#asyncio.Lock
"""

import asyncio

EXPECTED = {}

instances = []


async def serve(name, lock, work, log):
    async with lock:
        log.append(name)
        while await work.get() != "hand over":
            pass


async def deploy(lock, work, log):
    for name in ("active", "standby"):
        instances.append(asyncio.create_task(serve(name, lock, work, log)))  # innocent


async def main(park):
    lock, work, log = asyncio.Lock(), asyncio.Queue(), []
    await asyncio.create_task(deploy(lock, work, log))  # innocent

    async def handle(number):
        work.put_nowait(number)

    await park.requests(handle)
    await park()
    for _ in instances:
        work.put_nowait("hand over")
    await asyncio.gather(*instances)
    assert log == ["active", "standby"]
