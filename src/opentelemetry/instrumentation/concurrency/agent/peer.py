"""Who is at the other end of a unix socket, as the kernel says."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any, Final, NamedTuple

_MAC_LOCAL: Final = 0
_MAC_PEERCRED: Final = 1
_MAC_PEERPID: Final = 2


class Peer(NamedTuple):
    """A process at the other end; a process number of 0 is one that can't be seen from here."""

    process_id: int
    uid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """Return who is at the other end of a connected unix socket, or None where the system does not say.

    Raises:
        OSError: If the connection is broken.
    """
    # Not in every system's socket module.
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
