"""A job's ``start`` makes a task of the job's own method, which awaits the coroutine that the job holds.

All tasks run ``Job._run``; the coroutine that came in says what each does.

Source: https://github.com/home-assistant/supervisor/pull/6768
"""

import asyncio

EXPECTED = {"backup": "orphaned"}
RUNS = {"backup": "upload"}
COUNT = 5


class Job:
    def __init__(self, name, work):
        self.name = name
        self.work = work
        self.error = None

    def start(self):
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self):
        try:
            await self.work
        except OSError as error:
            self.error = error


class Supervisor:
    def __init__(self):
        self.jobs = []

    def add(self, name, work):
        job = Job(name, work)
        self.jobs.append(job)
        job.start()


supervisor = Supervisor()


async def watch_docker(events):
    while await events.get():
        pass


async def upload(accepted):
    await accepted.wait()


async def boot(events):
    supervisor.add("docker", watch_docker(events))  # innocent


async def backup(number):
    supervisor.add(f"backup {number}", upload(asyncio.Event()))  # guilty


async def main(park):
    events = asyncio.Queue()
    await asyncio.create_task(boot(events))
    await park.requests(backup)
    await park()
    events.put_nowait(None)
