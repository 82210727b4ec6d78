"""Timers of servers, clients and libraries, which are not the application's own."""

import asyncio
import importlib
import sys

import pytest

from opentelemetry.instrumentation.concurrency import check_leaks

FAR = 60.0


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Give ``asyncio.run`` or the same on uvloop."""
    if request.param == "asyncio":
        return asyncio.run
    uvloop = pytest.importorskip("uvloop")
    return uvloop.run


class TestHealthyLibraries:
    """Timers of servers and clients with connections that are kept alive."""

    def test_kept_alive_connections_are_no_leaks(self, run):
        aiohttp = pytest.importorskip("aiohttp")
        web = importlib.import_module("aiohttp.web")

        async def answer(request):
            return web.Response(text="ok")

        async def main():
            app = web.Application()
            app.router.add_get("/", answer)
            runner = web.AppRunner(app, keepalive_timeout=FAR)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = site._server.sockets[0].getsockname()[1]
            timeout = aiohttp.ClientTimeout(total=FAR)
            session = aiohttp.ClientSession(timeout=timeout)
            async with check_leaks(0, tasks=False, threads=False, timers=True):
                for _ in range(2):
                    async with session.get(f"http://127.0.0.1:{port}/") as response:
                        assert await response.text() == "ok"
            await session.close()
            await runner.cleanup()

        run(main())

    def test_scopes_of_anyio_are_no_leaks(self, run):
        anyio = pytest.importorskip("anyio")

        async def main():
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, FAR)
                with anyio.move_on_after(FAR):
                    async with check_leaks(0, tasks=False, threads=False, timers=True):
                        with anyio.fail_after(FAR):
                            await anyio.sleep(0)
                group.cancel_scope.cancel()

        run(main())

    def test_server_with_open_connection_is_no_leak(self, run):
        uvicorn, httpx = pytest.importorskip("uvicorn"), pytest.importorskip("httpx")

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

        async def main():
            config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="error", ws="none")
            server = uvicorn.Server(config)
            async with httpx.AsyncClient() as client:
                async with check_leaks(0, tasks=False, threads=False, timers=True):
                    serving = asyncio.create_task(server.serve())
                    while not server.started:
                        await asyncio.sleep(0.01)
                    port = server.servers[0].sockets[0].getsockname()[1]
                    assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"
            server.should_exit = True
            await serving

        if sys.platform == "win32":
            pytest.skip("uvicorn installs signal handlers")
        run(main())
