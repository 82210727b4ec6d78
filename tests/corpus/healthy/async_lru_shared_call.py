"""``alru_cache`` runs a call once in a task of its own; callers await it shielded, and the first of them gives up.

The task's creator has ended while others still wait for its result.

Source: https://github.com/aio-libs/async-lru
"""

import asyncio

from async_lru import alru_cache

EXPECTED = {}
NEEDS = ("async_lru",)


async def main(park):
    loaded, answers = {}, []

    @alru_cache(maxsize=32)
    async def load(key):
        loaded[key] = asyncio.Event()
        await loaded[key].wait()
        return key

    async def handle(number):
        key = number // 2
        if number % 2 == 0:
            await asyncio.wait_for(load(key), 0.001)
        answers.append(await load(key))  # innocent

    await park.requests(handle, 12)
    await park()
    for event in loaded.values():
        event.set()
    while len(answers) < 6:
        await asyncio.sleep(0)
    await load.cache_close()
