"""A request spawns a job that never ends on the scheduler of aiojobs that also runs the service's own jobs.

All tasks are made by ``Job._start`` inside the library.

Source: https://aiojobs.readthedocs.io/en/stable/api.html#aiojobs.Scheduler.spawn
"""

import asyncio

import aiojobs

EXPECTED = {"handle": "unwakeable"}
RUNS = {"handle": "listen"}
COUNT = 5
NEEDS = ("aiojobs",)


async def clean_up(expired):
    while await expired.get():
        pass


async def count(number):
    return number


async def listen():
    await asyncio.Event().wait()


async def boot(scheduler, expired):
    await scheduler.spawn(clean_up(expired))  # innocent


async def handle(scheduler, number):
    await scheduler.spawn(count(number))  # innocent
    await scheduler.spawn(listen())  # guilty


async def main(park):
    scheduler, expired = aiojobs.Scheduler(), asyncio.Queue()
    await asyncio.create_task(boot(scheduler, expired))

    async def request(number):
        await handle(scheduler, number)

    await park.requests(request)
    await park()
    expired.put_nowait(None)
    await scheduler.close()
