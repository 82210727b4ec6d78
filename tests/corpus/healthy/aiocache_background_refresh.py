"""A cache decorator stores results in a task that it does not await (``aiocache_wait_for_write=False``).

Each miss leaves a task behind its request; the write takes some seconds and ends.

Source: https://aiocache.aio-libs.org/en/latest/decorators.html#cached
"""

import asyncio

from aiocache import SimpleMemoryCache, cached

EXPECTED = {}
NEEDS = ("aiocache",)

written = []


class SlowCache(SimpleMemoryCache):
    async def _set(self, *args, **kwargs):
        written.append(asyncio.Event())
        await written[-1].wait()
        return await super()._set(*args, **kwargs)


@cached(cache=SlowCache, key_builder=lambda function, number: str(number))
async def price(number):
    return number


async def main(park):
    async def handle(number):
        assert await price(len(written), aiocache_wait_for_write=False) == len(written)  # innocent

    # The write to the cache may take longer than its default timeout of five seconds, which is real time.
    for minute in range(2, 10):
        await park.requests(handle, 1, begin=minute * 60, end=minute * 60)
        await park.advance(30)
        written[-1].set()
    await park()
    assert len(written) == 8
