"""The debug pages in an aiohttp application."""

from __future__ import annotations

import asyncio
from typing import Any

from .mounted import mounted_answer
from .pages import Request


def add_debug_pages(app: Any, prefix: str = "") -> None:
    """Add the debug pages of this process to an application: ``/debug/pprof/`` and ``/debug/concurrency/``.

    They require the token if ``DEBUG_TOKEN`` or ``DEBUG_TOKEN_FILE`` is set; any other access control is up to your
    application.

    Args:
        app: An `aiohttp.web.Application` that is not started yet.
        prefix: Path prefix of the pages, such as ``/ops``.
    """
    from aiohttp import web

    async def handle(request: Any) -> Any:
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = request.path.removeprefix(prefix)
        answer = mounted_answer(Request(request.method, path, request.query_string, headers))
        response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
        loop = asyncio.get_running_loop()
        try:
            await response.prepare(request)
            while (chunk := await loop.run_in_executor(None, next, answer.body, None)) is not None:
                await response.write(chunk)
            await response.write_eof()
        finally:
            close = getattr(answer.body, "close", None)
            if close is not None:
                close()
        return response

    app.router.add_route("*", f"{prefix}/debug/{{page:.*}}", handle)
