"""Two dozen websockets on one server: each has a handler and a keep-alive task that sleeps between pings.

The tasks of a connection were made by callbacks of the loop and by each other; all wait for clients that are silent.

Source: https://websockets.readthedocs.io/en/stable/reference/asyncio/server.html
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
        clients = []

        async def join(number):
            clients.append(await connect(f"ws://127.0.0.1:{port}", ping_interval=None, proxy=None))
            await clients[-1].send("hello")
            assert await clients[-1].recv() == "hello"
            if number % 3 == 2:
                await clients.pop(0).close()

        await park.requests(join, 36, patience=1.0)
        await park()
        for client in clients:
            await client.close()
