"""The debug pages in an aiohttp service, below ``/ops``: ``python -m mounting.aiohttp_app``."""

from aiohttp import web

from opentelemetry.instrumentation.concurrency.serve.aiohttp import add_debug_pages


def make_app() -> web.Application:
    app = web.Application()
    add_debug_pages(app, "/ops")
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8080)
