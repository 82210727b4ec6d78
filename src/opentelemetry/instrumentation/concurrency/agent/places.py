"""Where the sockets of agents are, and which of them can be believed: what both ends must agree on.

A socket is called ``<pid>-<start>.sock`` after the process that listens, by its own numbers: its start time makes a
reused process number another name. The directory must be the user's own and closed to everybody else; it is opened
once and everything in it is reached through that descriptor, so that nothing can be swapped underneath.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"([1-9]\d{0,9})-(\d{1,20})\.sock")
_PREFIX: Final = "otel-concurrency-"
FALLBACK_PARENTS: Final = ("/tmp", "/dev/shm")  # noqa: S108 (the directory within is checked)
"""Where the directory may be by default; the second for containers whose only writable place is memory."""
_MAX_PATH_BYTES: Final = 100
"""Of a socket's address; Linux takes 107, macOS 103."""


class PlaceError(Exception):
    """A directory or socket that can't be used. The text says why and what to do."""


def directories(uid: int, configured: str = "") -> tuple[str, ...]:
    """Return the directories where an agent of a user puts its socket, the first that works.

    Args:
        uid: Of the user, as the process itself knows it.
        configured: What ``AGENT_DIR`` says; empty or the default for the usual places.
    """
    usual = tuple(f"{parent}/{_PREFIX}{uid}" for parent in FALLBACK_PARENTS)
    return usual if configured in ("", usual[0]) else (configured,)


def socket_name(process_id: int, start: int) -> str:
    """Return the file name of a process' socket."""
    return f"{process_id}-{start}.sock"


def parse_socket_name(name: str) -> tuple[int, int] | None:
    """Return process number and start of a socket's file name, or None for any other file."""
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2]))


def start_of(process_id: int | str) -> int:
    """Return when a process started, in clock ticks since boot; 0 where that can't be known (no ``/proc``)."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def open_directory(path: str, uid: int, *, create: bool) -> int:
    """Return a descriptor of a directory that is the user's alone.

    Args:
        path: Absolute.
        uid: Who has to own it.
        create: Make it if it is not there; its parent must be.

    Raises:
        PlaceError: If it can't be made or opened, is a link, somebody else's or open to others.
    """
    if create:
        try:
            os.mkdir(path, 0o700)  # noqa: PTH102 (pathlib would use the umask)
        except FileExistsError:
            # Whose it is and who may enter is looked at below.
            pass
        except OSError as error:
            raise PlaceError(_unusable(path, error)) from None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise PlaceError(_unusable(path, error)) from None
    status = os.fstat(descriptor)
    if status.st_uid != uid or stat.S_IMODE(status.st_mode) & 0o077:
        os.close(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        message = (
            f"{path} belongs to user {status.st_uid} with mode {mode:04o}; expected user {uid} and mode 0700, because "
            f"others could put their sockets there. Remove it, or: chown {uid} {path} && chmod 700 {path}"
        )
        raise PlaceError(message)
    return descriptor


def _unusable(path: str, error: OSError) -> str:
    return (
        f"{path} can't be used ({error.strerror or error}). In a container with a read-only file system mount an "
        "emptyDir or tmpfs at /tmp, or set OTEL_PYTHON_CONCURRENCY_AGENT_DIR to a directory whose parent is writable."
    )


def socket_address(directory: int, path: str, name: str) -> str:
    """Return an address for a socket in an opened directory: through its descriptor where the system can.

    Args:
        directory: The descriptor.
        path: The directory's path.
        name: Of the socket.

    Raises:
        PlaceError: If only the path is left and it is too long for an address.
    """
    through = f"/proc/self/fd/{directory}"
    try:
        seen, opened = Path(through).stat(), os.fstat(directory)
        if (seen.st_dev, seen.st_ino) == (opened.st_dev, opened.st_ino):
            return f"{through}/{name}"
    except OSError:
        # No /proc here: the path has to do.
        pass
    address = f"{path}/{name}"
    if len(os.fsencode(address)) > _MAX_PATH_BYTES:
        message = f"{address} is too long for a socket; set OTEL_PYTHON_CONCURRENCY_AGENT_DIR to a shorter path."
        raise PlaceError(message)
    return address
