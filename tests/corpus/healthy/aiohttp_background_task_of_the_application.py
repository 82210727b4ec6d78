"""The documented background task of an aiohttp application: a clean-up context starts it, and ends it at shutdown.

The context's first half is done when the application has started; nobody awaits the task until the second half.

Source: https://docs.aiohttp.org/en/stable/web_advanced.html#background-tasks
"""

import asyncio
import contextlib

from aiohttp import web

EXPECTED = {}
NEEDS = ("aiohttp",)

messages = web.AppKey("messages", asyncio.Queue)


async def listen(app):
    while True:
        await app[messages].get()


async def background_tasks(app):
    app[messages] = asyncio.Queue()
    listener = asyncio.create_task(listen(app))  # innocent
    yield
    listener.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listener


async def main(park):
    app = web.Application()
    app.cleanup_ctx.append(background_tasks)
    runner = web.AppRunner(app)
    await asyncio.create_task(runner.setup())  # innocent
    await park()
    await runner.cleanup()
