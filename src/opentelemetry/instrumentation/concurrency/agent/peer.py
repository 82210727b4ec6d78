"""Credentials of the peer of a unix socket, as reported by the kernel."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any, Final, NamedTuple

_MAC_LOCAL: Final = 0
_MAC_PEERCRED: Final = 1
_MAC_PEERPID: Final = 2


class Peer(NamedTuple):
    """The process at the other end; its number is 0 if it is not visible in this PID namespace."""

    process_id: int
    uid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """Return the peer of a connected unix socket, or None if the system does not report it.

    Raises:
        OSError: If the connection is broken.
    """
    # Not available on every system.
    so_peercred: Any = getattr(socket, "SO_PEERCRED", None)
    if so_peercred is not None:
        form = struct.Struct("iII")
        process_id, uid, _gid = form.unpack(connection.getsockopt(socket.SOL_SOCKET, so_peercred, form.size))
        return Peer(process_id, uid)
    if sys.platform == "darwin":
        _version, uid = struct.unpack("II", connection.getsockopt(_MAC_LOCAL, _MAC_PEERCRED, 76)[:8])
        (process_id,) = struct.unpack("i", connection.getsockopt(_MAC_LOCAL, _MAC_PEERPID, 4))
        return Peer(process_id, uid)
    return None
