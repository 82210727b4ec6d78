"""An aiohttp service with a leak, as somebody writes it."""

import asyncio
import os
import sys

from aiohttp import web

held = set()


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


async def leak(_request):
    held.add(asyncio.create_task(wait_for_ever()))  # the leak
    return web.json_response(os.getpid())


async def healthy(_request):
    await asyncio.gather(*(asyncio.create_task(asyncio.sleep(0)) for _ in range(3)))
    return web.json_response(os.getpid())


def make():
    app = web.Application()
    app.add_routes([web.get("/leak", leak), web.get("/healthy", healthy)])
    return app


if __name__ == "__main__":
    web.run_app(make(), host="127.0.0.1", port=int(sys.argv[1]))
