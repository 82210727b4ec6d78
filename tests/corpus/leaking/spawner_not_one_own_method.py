"""``Worker.start`` makes a task of its own ``run``: it is not a spawner, and its line is the one to name.

The class that is started by it has the bug: its ``stop`` is not called by requests that fail.

Source: https://github.com/slackapi/python-slack-sdk/issues/1873 (runners that are not shut down)
"""

import asyncio

EXPECTED = {"Worker.start": "orphaned"}
RUNS = {"Worker.start": "Worker.run"}
COUNT = 5

workers = []


class Worker:
    def __init__(self, check):
        self.check = check
        self.jobs = asyncio.Queue()

    def start(self):
        self.task = asyncio.create_task(self.run())  # guilty
        workers.append(self)

    async def run(self):
        while await self.jobs.get():
            self.check()

    def stop(self):
        self.jobs.put_nowait(None)


async def handle(number):
    worker = Worker(check=print)
    worker.start()
    if number >= 0:
        raise ConnectionResetError
    worker.stop()


async def main(park):
    await park.requests(handle)
    await park()
    for worker in workers:
        worker.stop()
