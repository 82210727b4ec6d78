"""A supervisor starts a job anew when it fails, from the done callback; the jobs of requests are never taken from it.

The restart belongs to the line that gave the job to the supervisor, so the healthy worker keeps its place as well.

Source: https://github.com/ask/mode (``Service.restart``)
"""

import asyncio

EXPECTED = {"subscribe": "unwakeable"}
RUNS = {"subscribe": "subscribe.follow"}
COUNT = 5


class Supervisor:
    def __init__(self):
        self.tasks = {}

    def run(self, job):
        self.tasks[job] = asyncio.get_running_loop().create_task(job())
        self.tasks[job].add_done_callback(lambda ended: self.restart(job, ended))

    def restart(self, job, ended):
        if not ended.cancelled() and ended.exception() is not None:
            self.run(job)


supervisor = Supervisor()


async def boot(jobs):
    async def work():
        while (job := await jobs.get()) is not None:
            if job % 2:
                raise ValueError(job)

    supervisor.run(work)  # innocent


async def subscribe(number):
    failures = [ConnectionError("not yet")]

    async def follow():
        while failures:
            raise failures.pop()
        await asyncio.Event().wait()

    supervisor.run(follow)  # guilty


async def main(park):
    jobs = asyncio.Queue()
    await asyncio.create_task(boot(jobs))

    async def handle(number):
        jobs.put_nowait(number)
        await subscribe(number)

    await park.requests(handle)
    await park()
    jobs.put_nowait(None)
