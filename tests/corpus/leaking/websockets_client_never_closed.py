"""A request opens a websocket to the upstream and never closes it; its keep-alive task goes on.

The service has another connection for all requests, opened at its start; the library makes both tasks at one line.
A few that are open may be a pool. So many are none.

Source: https://websockets.readthedocs.io/en/stable/topics/keepalive.html
"""

import asyncio

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

EXPECTED = {"quote": "orphaned"}
COUNT = 40
# The upstream is in this process, and its connections become more; the second name is that of websockets 16.
DRAGGED = {"ServerConnection.connection_made", "Server.start_connection_handler"}
NEEDS = ("websockets",)

left_open = []


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def ask(socket):
    await socket.send("hello")
    assert await socket.recv() == "hello"


async def boot(url, opened):
    opened.append(await connect(url, ping_interval=3600, proxy=None))  # innocent


async def quote(url):
    left_open.append(await connect(url, ping_interval=3600, proxy=None))  # guilty
    await ask(left_open[-1])


async def main(park):
    async with serve(echo, "127.0.0.1", 0, ping_interval=None) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        opened = []
        await asyncio.create_task(boot(url, opened))

        async def handle(number):
            await ask(opened[0])
            await quote(url)

        await park.requests(handle, 40, end=14 * 60, patience=2.0)
        await park()
        for socket in (*opened, *left_open):
            await socket.close()
