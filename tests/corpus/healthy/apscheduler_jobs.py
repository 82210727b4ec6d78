"""A scheduler in the loop: one timer for the next job, a task for each run; nothing lives between the runs.

Each run is a task of the scheduler's line, created by a callback; the interval goes on for ever.

Source: https://apscheduler.readthedocs.io/en/3.x/userguide.html (``AsyncIOScheduler``)
"""

import asyncio

from apscheduler.schedulers.asyncio import AsyncIOScheduler

EXPECTED = {}
NEEDS = ("apscheduler",)


async def main(park):
    ran = asyncio.Semaphore(0)

    async def job():
        ran.release()

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(job, "interval", seconds=0.01, max_instances=5, misfire_grace_time=None)
    scheduler.start()
    for _ in range(3):
        await ran.acquire()
        await park.advance(120)
    await park()
    scheduler.shutdown(wait=False)
    await asyncio.sleep(0)
