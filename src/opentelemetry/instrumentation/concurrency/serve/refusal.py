"""Plain-text answers to requests that are refused before or instead of a page."""

from __future__ import annotations

from collections.abc import Iterable

from .pages import Answer


def refusal(status: int, text: str, extra: Iterable[tuple[str, str]] = ()) -> Answer:
    """Return a refusal; one for a missing token explains how to send it.

    Args:
        status: The HTTP status.
        text: The reason.
        extra: Further headers.
    """
    body = text.encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Content-Length", str(len(body))),
        *extra,
    ]
    if status == 401:
        headers.append(("WWW-Authenticate", 'Basic realm="otel-concurrency", charset="UTF-8"'))
    return Answer(status, headers, iter((body,)))
