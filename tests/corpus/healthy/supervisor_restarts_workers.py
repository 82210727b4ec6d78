"""A supervisor keeps a worker alive: it fails every few minutes and is started anew at the same line.

Every worker but the last is done, the last is minutes old, and its starter is a callback.

Source: https://www.erlang.org/doc/design_principles/sup_princ.html (one-for-one), as in
https://github.com/ask/mode (``Service.restart``)
"""

import asyncio

EXPECTED = {}


class Supervisor:
    def __init__(self, work):
        self._work = work
        self._task = None
        self.restarts = 0

    def start(self, ended=None):
        if ended is not None:
            if ended.cancelled():
                return
            ended.exception()
            self.restarts += 1
        self._task = asyncio.get_running_loop().create_task(self._work())
        self._task.add_done_callback(self.start)

    async def stop(self):
        self._task.cancel()
        await asyncio.wait([self._task])


async def main(park):
    jobs = asyncio.Queue()

    async def work():
        while True:
            job = await jobs.get()
            if job % 2:
                raise ValueError(job)

    async def boot():
        supervisor.start()  # innocent

    async def handle(number):
        jobs.put_nowait(number)

    supervisor = Supervisor(work)
    await asyncio.create_task(boot())  # innocent
    await park.requests(handle, 6)
    await park()
    await supervisor.stop()
    assert supervisor.restarts == 3
