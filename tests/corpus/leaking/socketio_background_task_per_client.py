"""A Socket.IO server starts a background task for each client that connects; nothing ends it at the disconnect.

Source: https://github.com/miguelgrinberg/Flask-SocketIO/issues/1395 (the same call of ``python-socketio``)
"""

import asyncio

import socketio

EXPECTED = {"connect": "orphaned"}
RUNS = {"connect": "push_prices"}
COUNT = 5
NEEDS = ("socketio",)


async def broadcast(server, prices):
    while (price := await prices.get()) is not None:
        await server.emit("price", price)


async def push_prices(server, sid):
    while True:
        await server.sleep(3600)
        await server.emit("price", 1, to=sid)


async def boot(server, prices):
    server.start_background_task(broadcast, server, prices)  # innocent


async def connect(server, sid):
    server.start_background_task(push_prices, server, sid)  # guilty


async def main(park):
    server, prices = socketio.AsyncServer(async_mode="asgi"), asyncio.Queue()
    server.on("connect", lambda sid, environ: connect(server, sid))
    await asyncio.create_task(boot(server, prices))

    async def handle(number):
        await server.handlers["/"]["connect"](str(number), {})
        prices.put_nowait(number)

    await park.requests(handle)
    await park()
    prices.put_nowait(None)
