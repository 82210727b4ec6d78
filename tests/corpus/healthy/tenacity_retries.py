"""A reconnect is tried again and again by ``AsyncRetrying``, with pauses of up to an hour, in a task of the start-up.

The task that started it is done, and it sleeps in a library's loop.

Source: https://tenacity.readthedocs.io/en/stable/#async-and-retry
"""

import asyncio

from tenacity import AsyncRetrying, wait_exponential

EXPECTED = {}
NEEDS = ("tenacity",)

tasks = []


async def reconnect(attempts):
    async for attempt in AsyncRetrying(wait=wait_exponential(multiplier=0.001, exp_base=100, max=3600)):
        with attempt:
            attempts.append(attempt.retry_state.attempt_number)
            raise ConnectionRefusedError


async def boot(attempts):
    tasks.append(asyncio.create_task(reconnect(attempts)))  # innocent


async def main(park):
    attempts = []
    await asyncio.create_task(boot(attempts))  # innocent
    await park()
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert attempts
