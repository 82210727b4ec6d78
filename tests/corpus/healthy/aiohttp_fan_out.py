"""One broadcaster sends to all websockets from a queue for each; a sender task for each socket, made by its handler.

Senders wait on empty queues for minutes and nobody awaits them, but the handler that made each still listens.

Source: https://github.com/aio-libs/aiohttp/blob/master/examples/web_ws.py
"""

import asyncio

from aiohttp import ClientSession, web

EXPECTED = {}
NEEDS = ("aiohttp",)

queues = web.AppKey("queues", set)


async def send(socket, queue):
    while True:
        await socket.send_str(await queue.get())


async def news(request):
    socket, queue = web.WebSocketResponse(), asyncio.Queue()
    await socket.prepare(request)
    request.app[queues].add(queue)
    sender = asyncio.create_task(send(socket, queue))  # innocent
    try:
        async for _ in socket:
            pass
    finally:
        request.app[queues].discard(queue)
        sender.cancel()
    return socket


async def main(park):
    app = web.Application()
    app[queues] = set()
    app.router.add_get("/news", news)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    session, sockets = ClientSession(), []

    async def subscribe(number):
        sockets.append(await session.ws_connect(f"http://127.0.0.1:{port}/news"))

    await park.requests(subscribe, 12, patience=1.0)
    await park()
    for queue in app[queues]:
        queue.put_nowait("rain")
    assert [(await socket.receive()).data for socket in sockets] == ["rain"] * 12
    for socket in sockets:
        await socket.close()
    await session.close()
    await runner.cleanup()
