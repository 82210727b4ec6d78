"""The work and its heartbeat are raced; when the work is done, the heartbeat is not cancelled.

Source: https://github.com/temporalio/samples-python/pull/42
"""

import asyncio

EXPECTED = {"run_activity": "orphaned"}
COUNT = 5

heartbeats = set()


async def heartbeat_every(delay):
    while True:
        await asyncio.sleep(delay)


async def run_activity(activity):
    work = asyncio.ensure_future(activity())
    heartbeat = asyncio.create_task(heartbeat_every(3600))  # guilty
    heartbeats.add(heartbeat)
    await asyncio.wait({work, heartbeat}, return_when=asyncio.FIRST_COMPLETED)
    return work.result()


async def activity():
    return "done"


async def handle(number):
    await run_activity(activity)  # innocent


async def main(park):
    await park.requests(handle)
    await park()
