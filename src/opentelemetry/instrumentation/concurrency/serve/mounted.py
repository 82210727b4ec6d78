"""The debug pages inside another application: the token is asked for, everything else is that application's policy."""

from __future__ import annotations

from pathlib import Path

from ..instrumentor import current_installation
from ..settings import Settings
from .admission import Admission
from .live_source import LiveSource
from .pages import Answer, DebugPages, Request


def mounted_answer(request: Request) -> Answer:
    """Return the answer of this process to a request that an application passed on."""
    installation = current_installation()
    if installation is None:
        return _text(503, "This process is not instrumented, so that there is nothing to show.\n")
    settings = installation.settings
    token = _token(settings)
    refusal = Admission(token, None).refusal(request.headers)
    if refusal is not None:
        answer = _text(*refusal)
        if answer.status == 401:
            answer.headers.append(("WWW-Authenticate", 'Basic realm="otel-concurrency", charset="UTF-8"'))
        return answer
    path = request.path
    if not path.startswith("/debug/"):
        # Mounted under /debug itself.
        path = f"/debug{path}"
    return DebugPages(LiveSource(installation)).answer(Request(request.method, path, request.query, request.headers))


def _token(settings: Settings) -> str:
    if settings.debug_token_file:
        return Path(settings.debug_token_file).read_text(encoding="utf-8").strip()
    return settings.debug_token


def _text(status: int, text: str) -> Answer:
    body = text.encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Content-Length", str(len(body))),
    ]
    return Answer(status, headers, iter((body,)))
