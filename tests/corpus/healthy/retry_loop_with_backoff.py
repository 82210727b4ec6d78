"""A background synchronisation fails, and waits longer and longer before it tries again.

One task, started by the first request that found the data stale, sleeping for an hour: it looks forgotten, but its
timer will wake it.

Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import asyncio

EXPECTED = {}


class Synchronisation:
    def __init__(self):
        self.task = None
        self.attempts = 0

    def ensure(self):
        if self.task is None:
            self.task = asyncio.create_task(self._run())  # innocent

    async def _run(self):
        pause = 0.001
        while True:
            self.attempts += 1
            await asyncio.sleep(pause)
            pause = min(pause * 100, 3600)


async def main(park):
    synchronisation = Synchronisation()

    async def handle(number):
        synchronisation.ensure()

    await park.requests(handle)
    await park()
    synchronisation.task.cancel()
    await asyncio.wait([synchronisation.task])
    assert synchronisation.attempts >= 2
