"""A gateway opens a websocket to each of five upstream services at the first request for it, and keeps it open.

``websockets`` starts a keep-alive task for each connection: it sleeps, was started by a request that is over, nobody
awaits it, and with each new upstream there is one more. Its connection is open and in use.

Source: https://websockets.readthedocs.io/en/stable/topics/keepalive.html
"""

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

EXPECTED = {}
NEEDS = ("websockets",)


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def main(park):
    async with serve(echo, "127.0.0.1", 0, ping_interval=3600) as server:
        port = server.sockets[0].getsockname()[1]
        upstreams = {}

        async def handle(number):
            url = f"ws://127.0.0.1:{port}/{number}"
            upstreams[number] = await connect(url, ping_interval=3600, proxy=None)  # innocent
            await upstreams[number].send("hello")
            assert await upstreams[number].recv() == "hello"

        await park.requests(handle, patience=1.0)
        await park()
        for socket in upstreams.values():
            await socket.close()
