"""The debug pages as an ASGI application, to mount in FastAPI, Starlette and similar frameworks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from .mounted import mounted_answer
from .pages import Request

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer a request to the debug pages of this process.

    It can be mounted at any path, below which it serves ``/debug/pprof/`` and ``/debug/concurrency/``. It requires the
    token if ``DEBUG_TOKEN`` or ``DEBUG_TOKEN_FILE`` is set; any other access control is up to your application.

    Args:
        scope: The scope of the ASGI request.
        receive: The server's receive function; used only for the lifespan.
        send: The server's send function.
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
