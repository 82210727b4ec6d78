"""All background work goes through one coroutine that guards against exceptions, started by one helper.

Source: https://github.com/BerriAI/litellm/issues/5561 and https://docs.astral.sh/ruff/rules/asyncio-dangling-task/
"""

import asyncio
import logging

EXPECTED = {"complete": "unwakeable"}
RUNS = {"complete": "log_success"}
COUNT = 5

logger = logging.getLogger(__name__)
running = set()


async def guarded(coro):
    try:
        await coro
    except Exception:
        logger.exception("background work failed")


def in_background(coro):
    running.add(task := asyncio.get_running_loop().create_task(guarded(coro)))
    task.add_done_callback(running.discard)


async def flush(batches):
    while True:
        await batches.get()


async def log_success(slots):
    async with slots:
        pass


async def start_logger(batches):
    in_background(flush(batches))  # innocent


async def complete(number):
    exhausted = asyncio.Semaphore(0)
    in_background(log_success(exhausted))  # guilty


async def main(park):
    batches = asyncio.Queue()
    await asyncio.create_task(start_logger(batches))
    await park.requests(complete)
    await park()
    batches.put_nowait(None)
