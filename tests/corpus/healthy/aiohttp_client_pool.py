"""One client session is shared by all requests; its connector keeps connections, and timers that close idle ones.

Connections opened by requests outlive them, callbacks of the loop clean up, all of it without a task that anybody sees.

Source: https://docs.aiohttp.org/en/stable/client_advanced.html#limiting-connection-pool-size
"""

import asyncio

from aiohttp import ClientSession, TCPConnector, web

EXPECTED = {}
NEEDS = ("aiohttp",)


async def main(park):
    together = []

    async def price(request):
        # Answers wait for each other, so that each request needs a connection of its own.
        together.append(asyncio.get_running_loop().create_future())
        if len(together) == 4:
            for answer in together:
                answer.set_result(None)
        await asyncio.shield(together[-1])
        return web.Response(text="7")

    app = web.Application()
    app.router.add_get("/", price)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
    session = ClientSession(connector=TCPConnector(limit=10, keepalive_timeout=3600))

    async def ask():
        async with session.get(url) as response:
            return int(await response.text())

    async def handle(number):
        together.clear()
        assert sum(await asyncio.gather(*(ask() for _ in range(4)))) == 28  # innocent

    await park.requests(handle, patience=1.0)
    await park()
    await session.close()
    await runner.cleanup()
