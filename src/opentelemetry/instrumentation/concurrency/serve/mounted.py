"""The debug pages mounted in another application, which is responsible for any access control besides the token."""

from __future__ import annotations

from pathlib import Path

from ..instrumented import current_process
from ..settings import Settings
from .admission import Admission
from .live_source import LiveSource
from .pages import Answer, DebugPages, Request
from .refusal import refusal


def mounted_answer(request: Request) -> Answer:
    """Return the answer of this process to a request that an application passed on."""
    process = current_process()
    if process is None:
        return refusal(503, "This process is not instrumented, so there is nothing to show.\n")
    settings = process.settings
    token = _token(settings)
    refused = Admission(token, None).refusal(request.headers)
    if refused is not None:
        return refusal(*refused)
    path = request.path
    if not path.startswith("/debug/"):
        # The application is mounted at /debug itself.
        path = f"/debug{path}"
    return DebugPages(LiveSource(process)).answer(Request(request.method, path, request.query, request.headers))


def _token(settings: Settings) -> str:
    if settings.debug_token_file:
        return Path(settings.debug_token_file).read_text(encoding="utf-8").strip()
    return settings.debug_token
