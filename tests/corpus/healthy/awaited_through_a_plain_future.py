"""A task is slow, and who waits for it does so through a future of their own, set by a done callback.

No task awaits the slow one; its only callback looks like bookkeeping but leads to a future that a request awaits.

Source: https://github.com/python/cpython/blob/main/Lib/asyncio/futures.py (``_chain_future``), as web frameworks do
between their own futures and asyncio's
"""

import asyncio

EXPECTED = {}


class Deferred:
    def __init__(self, loop):
        self.future = loop.create_future()

    def copy(self, done):
        if not self.future.done():
            self.future.set_result(done.result())


async def start(deferred, ready, tasks):
    task = asyncio.create_task(ready.wait())  # innocent
    task.add_done_callback(deferred.copy)
    tasks.append(task)


async def main(park):
    ready, tasks, answered = asyncio.Event(), [], []

    async def handle(number):
        deferred = Deferred(asyncio.get_running_loop())
        await asyncio.create_task(start(deferred, ready, tasks))  # innocent
        answered.append(await deferred.future)

    await park.requests(handle, 8, patience=0.001)
    await park()
    ready.set()
    while len(answered) < 8:
        await asyncio.sleep(0)
