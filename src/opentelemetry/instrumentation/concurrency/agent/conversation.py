"""One client of the agent: reads one request, writes one reply, never waits."""

from __future__ import annotations

import socket
from collections import deque
from typing import Any, Final, Literal

from .peer import Peer
from .protocol import MAX_LINE_BYTES, RequestError, parse_request

READ_LIMIT_S: Final = 5.0
"""Until a client must have asked."""
STALL_LIMIT_S: Final = 30.0
"""Until a client that takes nothing of its reply is given up."""
_CHUNK: Final = 64 * 1024

State = Literal["reading", "working", "writing", "closed"]


class Conversation:
    """A connection and how far it is.

    Args:
        connection: Just accepted; made non-blocking here.
        peer: Who is there.
        now: Monotonic seconds.

    Attributes:
        state: What it waits for.
        request: What was asked, once it is known.
        is_abandoned: Whether the client went away; read by the thread that works for it.
        size: Bytes of the reply that are kept.
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

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._connection.fileno()

    def read(self, now: float) -> None:
        """Take what has come; the state says whether that was the request.

        Raises:
            RequestError: If it is none.
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
            # Whatever follows a request says nothing.
            return
        self._line += received
        self._moved_at = now
        end = self._line.find(b"\n")
        if end < 0 and len(self._line) > MAX_LINE_BYTES:
            raise RequestError("protocol", f"The request is longer than {MAX_LINE_BYTES} bytes.")
        if end >= 0:
            self.request = parse_request(bytes(self._line[:end]))
            self._line.clear()
            self.state = "working"

    def reply(self, pieces: list[bytes], now: float) -> None:
        """Begin to write a reply."""
        if self.state == "closed":
            return
        self._pieces.extend(memoryview(piece) for piece in pieces)
        self._moved_at = now
        self.state = "writing"

    def write(self, now: float) -> None:
        """Send what the client takes, and close after the last byte."""
        try:
            while self._pieces:
                sent = self._connection.send(self._pieces[0])
                self._moved_at = now
                self.size -= sent
                if sent == len(self._pieces[0]):
                    self._pieces.popleft()
                else:
                    self._pieces[0] = self._pieces[0][sent:]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            # The client has gone: nobody is left to be told.
            pass
        self.close()

    def expire(self, now: float) -> None:
        """Close it if the client has let us wait too long."""
        limit = {"reading": READ_LIMIT_S, "writing": STALL_LIMIT_S}.get(self.state)
        if limit is not None and now - self._moved_at > limit:
            self.close()

    def close(self) -> None:
        """End it, whatever its state."""
        self.state = "closed"
        self.is_abandoned = True
        self.size = 0
        self._pieces.clear()
        self._connection.close()
