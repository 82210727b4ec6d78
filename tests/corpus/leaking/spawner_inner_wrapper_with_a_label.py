"""The helper starts a wrapper that it defines inside itself, which awaits the caller's coroutine and logs its errors.

Every task of the service runs ``wrapper``. What tells them apart is the coroutine inside and the line that made it.

Source: https://github.com/letta-ai/letta/pull/2823
"""

import asyncio
import logging

EXPECTED = {"stream_run": "unwakeable"}
RUNS = {"stream_run": "follow"}
COUNT = 5

logger = logging.getLogger(__name__)
background_tasks = set()


def safe_create_task(coro, label="background task"):
    async def wrapper():
        try:
            await coro
        except Exception:
            logger.exception("%s failed", label)

    task = asyncio.create_task(wrapper())
    background_tasks.add(task)
    task.add_done_callback(background_tasks.discard)
    return task


async def poll_batches(tick):
    while True:
        await tick.wait()
        tick.clear()


async def follow(run):
    await run.wait()


async def start_scheduler(tick):
    safe_create_task(poll_batches(tick), label="batches")  # innocent


async def stream_run(number):
    safe_create_task(follow(asyncio.Event()), label=f"run {number}")  # guilty


async def main(park):
    tick = asyncio.Event()
    await asyncio.create_task(start_scheduler(tick))
    await park.requests(stream_run)
    await park()
    tick.set()
