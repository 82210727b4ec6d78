"""A pusher wakes once a minute, sends what has come together, and sleeps; a flush at the end ends it.

It waits with a timeout for an event that is set at shutdown only, so its innermost wait never ends well.

Source: https://prometheus.io/docs/practices/pushing/ and statsd clients that flush by time
"""

import asyncio

EXPECTED = {}


class Pusher:
    def __init__(self, send, seconds):
        self._send, self._seconds = send, seconds
        self._closing = asyncio.Event()
        self._task = None

    async def start(self):
        self._task = asyncio.create_task(self._push())  # innocent

    async def _push(self):
        while not self._closing.is_set():
            try:
                await asyncio.wait_for(self._closing.wait(), self._seconds)  # innocent
            except asyncio.TimeoutError:
                pass
            self._send()

    async def close(self):
        self._closing.set()
        await self._task


async def main(park):
    pushes = []
    pusher = Pusher(lambda: pushes.append("values"), 0.02)
    await asyncio.create_task(pusher.start())  # innocent
    await park()
    await pusher.close()
    assert pushes
