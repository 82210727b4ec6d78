"""One client of the agent: reads one request and writes one reply, without blocking."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import Any, Final, Literal

from .peer import Peer
from .protocol import MAX_LINE_BYTES, RequestError, parse_request

READ_LIMIT_S: Final = 5.0
"""Time limit for receiving the whole request."""
GIVE_WAY_S: Final = 0.5
"""Age after which a client without a request may be dropped to make room for another one."""
STALL_LIMIT_S: Final = 30.0
"""Time after which a client that received less than `STALL_BYTES` of its reply is dropped."""
STALL_BYTES: Final = 64 * 1024
_CHUNK: Final = 64 * 1024

State = Literal["reading", "working", "writing", "closed"]


class Conversation:
    """A connection and its state.

    Args:
        connection: A new connection; made non-blocking here.
        peer: The process and user at the other end.
        now: Monotonic seconds.

    Attributes:
        state: The current step of the conversation.
        request: The request, once it has been received.
        is_abandoned: Whether the client has disconnected; read by the worker thread.
        size: Number of buffered bytes of the reply.
    """

    def __init__(self, connection: socket.socket, peer: Peer, now: float) -> None:
        connection.setblocking(False)
        self.peer = peer
        self.state: State = "reading"
        self.request: dict[str, Any] = {}
        self.is_abandoned = False
        self.size = 0
        self._connection = connection
        self._line = bytearray()
        self._pieces: deque[memoryview] = deque()
        self._moved_at = now
        self._sent = 0

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._connection.fileno()

    def read(self) -> None:
        """Read available bytes; the state changes once the request is complete.

        Raises:
            RequestError: If the request is invalid.
        """
        try:
            received = self._connection.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received = b""
        if not received:
            self.close()
            return
        if self.state != "reading":
            # Bytes after the request are ignored.
            return
        self._line += received
        end = self._line.find(b"\n")
        if end < 0 and len(self._line) > MAX_LINE_BYTES:
            raise RequestError("protocol", f"The request is longer than {MAX_LINE_BYTES} bytes.")
        if end >= 0:
            self.request = parse_request(bytes(self._line[:end]))
            self._line.clear()
            self.state = "working"

    def reply(self, pieces: list[bytes], now: float) -> None:
        """Start writing a reply."""
        if self.state == "closed":
            return
        self._pieces.extend(memoryview(piece) for piece in pieces)
        self._moved_at = now
        self.state = "writing"

    def write(self, now: float) -> None:
        """Send as much as the client accepts, and close after the last byte."""
        try:
            while self._pieces:
                sent = self._connection.send(self._pieces[0])
                self.size -= sent
                self._sent += sent
                if self._sent >= STALL_BYTES:
                    self._moved_at, self._sent = now, 0
                if sent == len(self._pieces[0]):
                    self._pieces.popleft()
                else:
                    self._pieces[0] = self._pieces[0][sent:]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            # The client has disconnected.
            pass
        self.close()

    def is_overdue(self, now: float) -> bool:
        """Return whether the client has exceeded its time limit."""
        limit = {"reading": READ_LIMIT_S, "writing": STALL_LIMIT_S}.get(self.state)
        return limit is not None and now - self._moved_at > limit

    def refuse(self, piece: bytes, now: float) -> None:
        """Send as much of a short reply as the client accepts now, and close."""
        with contextlib.suppress(OSError):
            # A request left unread would make the close a reset.
            self._connection.recv(_CHUNK)
        self.reply([piece], now)
        self.write(now)
        self.close()

    def gives_way(self, now: float) -> bool:
        """Return whether another client may take the place of this one, because it has not sent a request in time."""
        return self.state == "reading" and now - self._moved_at > GIVE_WAY_S

    def close(self) -> None:
        """Close the connection in any state."""
        self.state = "closed"
        self.is_abandoned = True
        self.size = 0
        self._pieces.clear()
        self._connection.close()
