"""A supervisor gives its workers to a helper and starts each anew when it fails, from the done callback.

The first start and the restarts are different lines of one helper. The workers are as many as ever.

Source: https://www.erlang.org/doc/design_principles/sup_princ.html (one-for-one), with the helper of
https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
"""

import asyncio

EXPECTED = {}

tasks = set()


def spawn(coro, on_end):
    task = asyncio.create_task(coro)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    task.add_done_callback(on_end)


class Supervisor:
    def __init__(self):
        self.restarts = 0

    def start(self, work):
        spawn(work(), lambda ended: self.ended(work, ended))  # innocent

    def ended(self, work, task):
        if not task.cancelled() and task.exception() is not None:
            self.restarts += 1
            spawn(work(), lambda ended: self.ended(work, ended))  # innocent


async def main(park):
    jobs = asyncio.Queue()

    async def work():
        while (job := await jobs.get()) is not None:
            if job % 2:
                raise ValueError(job)

    async def boot():
        for _ in range(3):
            supervisor.start(work)  # innocent

    async def handle(number):
        jobs.put_nowait(number)

    supervisor = Supervisor()
    await asyncio.create_task(boot())
    await park.requests(handle, 12)
    await park()
    assert supervisor.restarts == 6
    for _ in range(3):
        jobs.put_nowait(None)
