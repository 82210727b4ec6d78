r"""The protocol of the agent's socket: one request per connection, one line of JSON each way, then the body.

The client sends ``{"protocol": 1, "request": "snapshot", ...}\n``, at most 64 KiB. The agent answers
``{"protocol": 1, "ok": true, "facts": {...}}\n`` and a body, compressed by zlib, whose format marks its end, so that a
truncated reply is detected. To refuse, it answers ``{"protocol": 1, "ok": false, "error": kind, "message":
paragraph}\n`` without a body. Later versions may add properties without a new version number.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from ..sanitize import sanitize

PROTOCOL_VERSION: Final = 1
MAX_LINE_BYTES: Final = 64 * 1024
_FASTEST: Final = 1
_PIECE_BYTES: Final = 256 * 1024

ErrorKind = Literal["protocol", "busy", "denied", "request", "failed"]


class RequestError(Exception):
    """A refused request.

    Args:
        kind: The kind of error.
        message: One paragraph: the request, the expected request, and what to do.
    """

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind


def parse_request(line: bytes) -> dict[str, Any]:
    """Return the request in a line.

    Raises:
        RequestError: If this version does not support it.
    """
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise RequestError("protocol", "This agent serves the command otel-concurrency; expected a JSON object.")
    if request.get("protocol") != PROTOCOL_VERSION:
        message = (
            f"The process uses protocol version {PROTOCOL_VERSION}, the command version "
            f"{sanitize(request.get('protocol'), 20)}: use the otel-concurrency that is installed with its package."
        )
        raise RequestError("protocol", message)
    if not isinstance(request.get("request"), str):
        raise RequestError("request", "The request has no name.")
    return request


def error_line(error: RequestError) -> bytes:
    """Return the reply to a refused request."""
    return _line({"protocol": PROTOCOL_VERSION, "ok": False, "error": error.kind, "message": str(error)})


def request_line(name: str, options: Mapping[str, Any]) -> bytes:
    """Return the line of a request.

    Args:
        name: Name of the request.
        options: Its options.
    """
    return _line({**options, "protocol": PROTOCOL_VERSION, "request": name})


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode("ascii") + b"\n"


class Reply:
    """A compressed reply, as a text stream to write to.

    Args:
        on_piece: Called with the size of each finished piece in bytes; may raise to stop the reply.
    """

    def __init__(self, on_piece: Callable[[int], None] = lambda _size: None) -> None:
        self.facts: dict[str, Any] = {}
        self._on_piece = on_piece
        self._compressor = zlib.compressobj(_FASTEST)
        self._pieces: list[bytes] = []
        self._pending: list[bytes] = []
        self._size = 0

    def write(self, data: str | bytes) -> int:
        """Append text or bytes."""
        encoded = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
        self._pending.append(encoded)
        self._size += len(encoded)
        if self._size >= _PIECE_BYTES:
            self._compress()
        return len(data)

    def _compress(self) -> None:
        joined = b"".join(self._pending)
        self._pending, self._size = [], 0
        self._add(self._compressor.compress(joined))

    def _add(self, piece: bytes) -> None:
        self._on_piece(len(piece))
        self._pieces.append(piece)

    def finish(self) -> list[bytes]:
        """Return the compressed reply in pieces; may be called once."""
        self._compress()
        self._add(self._compressor.flush())
        head = _line({"protocol": PROTOCOL_VERSION, "ok": True, "facts": self.facts})
        return [head, *filter(None, self._pieces)]
