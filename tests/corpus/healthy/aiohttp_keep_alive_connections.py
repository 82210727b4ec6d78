"""Clients of an aiohttp server keep their connections alive between requests, each with a handler task.

No request is under way, yet each connection's task lives on and waits for the next request in a bare future.

Source: https://docs.aiohttp.org/en/stable/web_reference.html#aiohttp.web.AppRunner (``keepalive_timeout``), and
``aiohttp.web_protocol.RequestHandler.start``
"""

import asyncio

from aiohttp import ClientSession, web

EXPECTED = {}
NEEDS = ("aiohttp",)


async def hello(request):
    return web.Response(text="hello")


async def main(park):
    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, keepalive_timeout=3600)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    browsers = []

    async def visit(number):
        browsers.append(ClientSession())
        async with browsers[-1].get(f"http://127.0.0.1:{port}/") as response:
            assert await response.text() == "hello"
        if number % 3 == 2:
            await browsers.pop(0).close()

    await park.requests(visit, 36, patience=1.0)
    await park()
    await asyncio.gather(*(browser.close() for browser in browsers))
    await runner.cleanup()
