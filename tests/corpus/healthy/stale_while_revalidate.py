"""A cache answers with the old value and renews it in the background; the renewal outlives the request that began it.

Requests start renewals at one line for ever; never more than one lives, and each ends.

Source: https://www.rfc-editor.org/rfc/rfc5861#section-3
"""

import asyncio

EXPECTED = {}


class Cache:
    def __init__(self, load):
        self._load = load
        self._value = None
        self._renewal = None

    async def get(self):
        if self._value is None:
            self._value = await self._load()
        elif self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())  # innocent
        return self._value

    async def _renew(self):
        try:
            self._value = await self._load()
        finally:
            self._renewal = None


async def main(park):
    answers = asyncio.Queue()
    cache = Cache(answers.get)
    answers.put_nowait("rates of minute 1")

    async def handle(number):
        await cache.get()

    for minute in range(2, 12):
        await park.requests(handle, 3, begin=minute * 60, end=minute * 60 + 10)
        await park.advance(30)
        if cache._renewal is not None:
            answers.put_nowait(f"rates of minute {minute}")
    await park()
