"""A token bucket is filled by a task that the first limited request started; between fills it sleeps.

Requests wait for tokens, the filler outlives them all.

Source: https://pypi.org/project/limiter/ and https://en.wikipedia.org/wiki/Token_bucket
"""

import asyncio

EXPECTED = {}


class TokenBucket:
    def __init__(self, size, seconds):
        self._tokens = asyncio.Semaphore(size)
        self._seconds = seconds
        self.filler = None

    async def take(self):
        if self.filler is None:
            self.filler = asyncio.create_task(self._fill())  # innocent
        await self._tokens.acquire()

    async def _fill(self):
        while True:
            await asyncio.sleep(self._seconds)
            self._tokens.release()


async def main(park):
    bucket, served = TokenBucket(3, 0.02), []

    async def handle(number):
        await bucket.take()
        served.append(number)

    await park.requests(handle, 6, patience=1.0)
    await park()
    bucket.filler.cancel()
    await asyncio.wait([bucket.filler])
    assert len(served) == 6
