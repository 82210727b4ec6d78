"""Two dozen websockets are open; each has a handler that waits for a message, and pings planned by timers.

The handlers run for hours in one request each and hardly ever do anything.

Source: https://docs.aiohttp.org/en/stable/web_reference.html#aiohttp.web.WebSocketResponse (``heartbeat``)
"""

from aiohttp import ClientSession, web

EXPECTED = {}
NEEDS = ("aiohttp",)


async def chat(request):
    socket = web.WebSocketResponse(heartbeat=3600)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def main(park):
    app = web.Application()
    app.router.add_get("/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    session, sockets = ClientSession(), []

    async def join(number):
        sockets.append(await session.ws_connect(f"http://127.0.0.1:{port}/chat"))
        await sockets[-1].send_str("hello")
        assert (await sockets[-1].receive()).data == "hello"
        if number % 3 == 2:
            await sockets.pop(0).close()

    await park.requests(join, 36, patience=1.0)
    await park()
    for socket in sockets:
        await socket.close()
    await session.close()
    await runner.cleanup()
