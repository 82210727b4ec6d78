"""Clients of the debug endpoint, before and after their admission.

Every process that can reach the address can connect and send nothing. Such connections must never exclude clients that
may be admitted:

- From the first byte of the handshake to the last byte of the request a client has `REQUEST_LIMIT_S`.
- If more than `MAX_WAITING` clients have not been admitted, the oldest is dropped: a regular client needs milliseconds.
- `MAX_ANSWERED` clients are served at a time; others are asked to retry.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

REQUEST_LIMIT_S: Final = 5.0
"""Time limit for the handshake and the whole request, in seconds."""
MAX_WAITING: Final = 32
MAX_ANSWERED: Final = 16
_MAX_LEAVING: Final = 32


class Client:
    """One connection.

    Args:
        connection: The accepted connection; replaced by the encrypted one after the handshake.
        deadline: Deadline for the whole request, in monotonic seconds.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self.deadline = deadline

    def give_way(self) -> None:
        """Shut the connection down, so that the thread that waits for it closes it."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class Clients:
    """All clients of one server.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[int, Client] = {}
        self._answered: dict[int, Client] = {}
        self._leaving: dict[int, Client] = {}

    def enter(self, connection: socket.socket) -> Client | None:
        """Return the client of a new connection; None if there is no room because many connections are ending."""
        client = Client(connection, self._clock() + REQUEST_LIMIT_S)
        with self._lock:
            if len(self._leaving) >= _MAX_LEAVING:
                return None
            self._waiting[id(client)] = client
            oldest = next(iter(self._waiting.values())) if len(self._waiting) > MAX_WAITING else None
            if oldest is not None:
                self._leaving[id(oldest)] = self._waiting.pop(id(oldest))
        if oldest is not None:
            oldest.give_way()
        return client

    def admit(self, client: Client) -> bool:
        """Admit an authenticated client; return False if there is no room."""
        with self._lock:
            if len(self._answered) >= MAX_ANSWERED:
                return False
            for others in (self._waiting, self._leaving):
                others.pop(id(client), None)
            self._answered[id(client)] = client
            return True

    def leave(self, client: Client) -> None:
        """Remove a client whose connection is closed."""
        with self._lock:
            for clients in (self._waiting, self._answered, self._leaving):
                clients.pop(id(client), None)


class RequestReader(io.RawIOBase):
    """A stream of the bytes that a client sends before its deadline.

    Args:
        client: The client.
        clock: Monotonic seconds.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._client = client
        self._clock = clock

    def readable(self) -> bool:
        """Return True: the stream is readable."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # as BufferedReader calls it
        """Wait for bytes.

        Raises:
            TimeoutError: If the deadline has passed.
        """
        left_s = self._client.deadline - self._clock()
        if left_s <= 0:
            raise TimeoutError("the request did not arrive in time")
        self._client.connection.settimeout(left_s)
        return self._client.connection.recv_into(buffer)
