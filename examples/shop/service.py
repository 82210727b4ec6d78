"""The shop's HTTP service: ``opentelemetry-instrument python -m shop.service [PORT [HOST]]``."""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from . import search


def answer(find: Callable[[], Awaitable[list[str]]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_request: web.Request) -> web.Response:
        return web.json_response(await find())

    return handle


async def count(_request: web.Request) -> web.Response:
    return web.json_response(len(asyncio.all_tasks()))


async def digest(_request: web.Request) -> web.Response:
    return web.json_response(await asyncio.to_thread(lambda: hashlib.sha256(b"shop").hexdigest()))


async def start_workers(app: web.Application) -> None:
    workers = app["workers"] = [search.Worker("stock"), search.Worker("mail")]
    await asyncio.gather(*(worker.start() for worker in workers))


def make_app() -> web.Application:
    app = web.Application()
    app.on_startup.append(start_workers)
    for path, find in (
        ("/query", search.query),
        ("/query-unheld", search.query_unheld),
        ("/query-fixed", search.query_fixed),
        ("/report", search.report),
    ):
        app.router.add_get(path, answer(find))
    app.router.add_get("/digest", digest)
    app.router.add_get("/_count", count)
    return app


async def serve(port: int, host: str) -> None:
    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    print("READY", runner.addresses[0][1], flush=True)
    stop = asyncio.Event()
    for name in ("SIGTERM", "SIGINT"):
        import signal

        asyncio.get_running_loop().add_signal_handler(getattr(signal, name), stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    asyncio.run(serve(int(arguments.get(1, "0")), arguments.get(2, "127.0.0.1")))
