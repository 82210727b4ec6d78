"""The sender of events starts its worker when the first request sends one; that request is long over.

A task that a request started and that outlives it by hours looks like the leak of a request. It happens once, however
many requests come.

Source: https://github.com/getsentry/sentry-python/blob/master/sentry_sdk/worker.py (``AsyncWorker.start`` on submit)
"""

import asyncio

EXPECTED = {}


class Sender:
    def __init__(self):
        self._queue = asyncio.Queue()
        self._task = None
        self.sent = 0

    def send(self, event):
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())  # innocent
        self._queue.put_nowait(event)

    async def _work(self):
        while await self._queue.get() is not None:
            self.sent += 1

    async def close(self):
        self._queue.put_nowait(None)
        await self._task


async def main(park):
    sender = Sender()

    async def handle(number):
        sender.send({"number": number})

    await park.requests(handle)
    await park()
    await sender.close()
    assert sender.sent == 5
