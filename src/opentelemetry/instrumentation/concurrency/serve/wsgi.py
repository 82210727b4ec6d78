"""The debug pages as a WSGI application, to mount in Flask, Django and similar frameworks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from .mounted import mounted_answer
from .pages import Request


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request to the debug pages of this process.

    It can be mounted at any path, below which it serves ``/debug/pprof/`` and ``/debug/concurrency/``. It requires the
    token if ``DEBUG_TOKEN`` or ``DEBUG_TOKEN_FILE`` is set; any other access control is up to your application.

    Args:
        environ: The environment of the WSGI request.
        start_response: The server's start_response function.

    Returns:
        The body, in chunks.
    """
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    method = str(environ.get("REQUEST_METHOD", "GET"))
    path = str(environ.get("PATH_INFO", ""))
    answer = mounted_answer(Request(method, path, str(environ.get("QUERY_STRING", "")), headers))
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", answer.headers)
    return answer.body
