"""A coordinator keeps the task of every request that it made with ``aiohttp``; each finished one holds its answer.

The twin removes a task once it is done.

Source: https://github.com/pnbruckner/ha-life360/issues/101
"""

import asyncio

from aiohttp import ClientSession, web

FOUND = "finished"
AT = "ha_life360_101_requests_kept.coordinator.requests"
NEEDS = ("aiohttp",)

coordinator = None


class Coordinator:
    def __init__(self, session, url, keeps):
        self.session, self.url, self.keeps = session, url, keeps
        self.requests = set()

    async def _request(self, member):
        async with self.session.get(f"{self.url}/{member}") as response:
            return await response.json()

    async def update(self):
        for member in range(10):
            request = asyncio.create_task(self._request(member))
            self.requests.add(request)
            if not self.keeps:
                request.add_done_callback(self.requests.discard)
        await asyncio.wait(set(self.requests))


async def locate(request):
    return web.json_response({"member": request.match_info["member"], "battery": 80})


async def run(park, keeps):
    global coordinator
    app = web.Application()
    app.router.add_get("/{member}", locate)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with ClientSession() as session:
        port = site._server.sockets[0].getsockname()[1]
        coordinator = Coordinator(session, f"http://127.0.0.1:{port}", keeps)

        async def handle(number):
            await coordinator.update()

        await park.requests(handle, 40, end=18 * 60, patience=5.0)
        await park()
    await runner.cleanup()


async def main(park):
    await run(park, keeps=True)


async def twin(park):
    await run(park, keeps=False)
