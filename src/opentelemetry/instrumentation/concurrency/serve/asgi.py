"""The debug pages as an ASGI application, to mount in FastAPI, Starlette and their like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from .mounted import mounted_answer
from .pages import Request

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer a request to the debug pages of this process.

    Mount it where you like: ``/debug/pprof/`` and ``/debug/concurrency/`` are below that place. It asks for the token
    if ``DEBUG_TOKEN`` or ``DEBUG_TOKEN_FILE`` is set; everything else about who may come is for your application.

    Args:
        scope: Of the ASGI request.
        receive: Of the ASGI server; not used but for the lifespan.
        send: Of the ASGI server.
    """
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["type"] != "http":
        return
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
    path = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    answer = mounted_answer(Request(str(scope.get("method", "GET")), path, query, headers))
    started = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": started})
    try:
        while (chunk := await _in_thread(answer.body)) is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        close = getattr(answer.body, "close", None)
        if close is not None:
            close()


async def _in_thread(body: Iterator[bytes]) -> bytes | None:
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, next, body, None)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
