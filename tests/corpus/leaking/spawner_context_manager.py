"""An asynchronous context manager starts its coroutine in the background and forgets to cancel it when the body fails.

The frames between the request and the helper belong to ``contextlib``.

Source: https://docs.python.org/3/library/contextlib.html#contextlib.asynccontextmanager (the ``try`` that is missing)
"""

import asyncio
import contextlib

EXPECTED = {"answer": "unwakeable"}
RUNS = {"answer": "beat"}
COUNT = 5

tasks = []


@contextlib.asynccontextmanager
async def beside(coro):
    tasks.append(task := asyncio.create_task(coro))
    yield
    task.cancel()


async def beat(stopped):
    await stopped.wait()


async def boot(stopped):
    with contextlib.suppress(FileNotFoundError):
        async with beside(beat(stopped)):  # innocent
            raise FileNotFoundError("optional.toml")


async def answer(number):
    async with beside(beat(asyncio.Event())):  # guilty
        raise ConnectionResetError


async def healthy(number):
    async with beside(beat(asyncio.Event())):  # innocent
        await asyncio.sleep(0)


async def main(park):
    stopped = asyncio.Event()
    await asyncio.create_task(boot(stopped))

    async def handle(number):
        await healthy(number)
        await answer(number)

    await park.requests(handle)
    await park()
    stopped.set()
