"""A periodic callback: ``call_later`` starts a short task, and plans the next turn before it.

Each task is created by the loop, by no task, at the same line again and again; each ends before the next begins.

Source: https://www.tornadoweb.org/en/stable/ioloop.html#tornado.ioloop.PeriodicCallback
"""

import asyncio

EXPECTED = {}


class PeriodicCallback:
    def __init__(self, callback, seconds):
        self._callback, self._seconds = callback, seconds
        self._handle = None
        self._tasks = set()

    def start(self):
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._run)

    def stop(self):
        self._handle.cancel()

    def _run(self):
        self.start()
        task = asyncio.ensure_future(self._callback())  # innocent
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def main(park):
    ticked = asyncio.Event()

    async def tick():
        ticked.set()

    callback = PeriodicCallback(tick, 0.001)
    callback.start()
    for _ in range(10):
        ticked.clear()
        await ticked.wait()
        await park.advance(60)
    await park()
    callback.stop()
