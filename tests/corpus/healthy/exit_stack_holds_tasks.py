"""A component enters its tasks into an ``AsyncExitStack`` and leaves the stack open until shutdown.

The function that created the tasks has returned; the stack will cancel and await them, which nobody can see from them.

Source: https://docs.python.org/3/library/contextlib.html#contextlib.AsyncExitStack
"""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

EXPECTED = {}


@asynccontextmanager
async def running(coroutine):
    task = asyncio.create_task(coroutine)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def follow(events):
    while True:
        await events.get()


async def start(stack, sources):
    async with AsyncExitStack() as starting:
        for events in sources:
            await starting.enter_async_context(running(follow(events)))  # innocent
        stack.push_async_exit(starting.pop_all())


async def main(park):
    sources = [asyncio.Queue() for _ in range(4)]

    async def publish(number):
        sources[number % 4].put_nowait(number)

    async with AsyncExitStack() as stack:
        await asyncio.create_task(start(stack, sources))  # innocent
        await park.requests(publish)
        await park()
