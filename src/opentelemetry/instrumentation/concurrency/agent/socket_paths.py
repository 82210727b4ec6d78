"""Locations of the agents' sockets and the checks of their directories, shared by both ends.

A socket is named ``<pid>-<start>.sock`` after the listening process, with the numbers of its own PID namespace; the
start time distinguishes reused process numbers. The directory must belong to the user and be closed to other users. It
is opened once and accessed through that descriptor, so that it can't be replaced in between.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"([1-9]\d{0,9})-(\d{1,20})\.sock")
_PREFIX: Final = "otel-concurrency-"
_VARIABLE: Final = "OTEL_PYTHON_CONCURRENCY_AGENT_DIR"
FALLBACK_PARENTS: Final = ("/tmp", "/dev/shm")  # noqa: S108 (the directory within is checked)
"""Default parents of the directory; the second is for containers that can write only to memory."""
_MAX_PATH_BYTES: Final = 100
"""Maximum length of a socket's address; Linux allows 107, macOS 103."""


class SocketPathError(Exception):
    """A directory or socket is not usable; the message has the reason and the remedy."""


def directories(uid: int, configured: str = "", *runtime: str) -> tuple[str, ...]:
    """Return the directories that may hold the sockets of a user's agents, in order of preference.

    Args:
        uid: The user, in the user namespace of the process.
        configured: Value of ``OTEL_PYTHON_CONCURRENCY_AGENT_DIR``; empty or the default selects the usual directories.
        runtime: Runtime directories of the user, which precede the default ones; empty ones are ignored.
    """
    parents = [*filter(None, runtime), *FALLBACK_PARENTS]
    usual = tuple(dict.fromkeys(f"{parent.rstrip('/')}/{_PREFIX}{uid}" for parent in parents))
    return usual if configured in ("", f"{FALLBACK_PARENTS[0]}/{_PREFIX}{uid}") else (configured,)


def runtime_directory(uid: int) -> str:
    """Return ``$XDG_RUNTIME_DIR`` of this process; empty if it is unset or accessible to other users."""
    path = os.environ.get("XDG_RUNTIME_DIR", "")
    if not path.startswith("/"):
        return ""
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    is_safe = stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not stat.S_IMODE(status.st_mode) & 0o077
    return path if is_safe else ""


def socket_name(process_id: int, start: int) -> str:
    """Return the file name of a process's socket."""
    return f"{process_id}-{start}.sock"


def parse_socket_name(name: str) -> tuple[int, int] | None:
    """Return process number and start time from a socket's file name, or None for any other file."""
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2]))


def start_of(process_id: int | str) -> int:
    """Return the start time of a process in clock ticks since boot; 0 if it is unknown (no ``/proc``)."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def open_directory(path: str, uid: int, *, create: bool) -> int:
    """Return a descriptor of a directory that only its user can access.

    Args:
        path: Absolute path.
        uid: The required owner.
        create: Whether to create it if it does not exist; its parent must exist.

    Raises:
        SocketPathError: If it can't be created or opened, is a link, belongs to another user or is open to others.
    """
    if create:
        try:
            os.mkdir(path, 0o700)  # noqa: PTH102 (pathlib would use the umask)
        except FileExistsError:
            # Owner and mode are checked below.
            pass
        except OSError as error:
            raise SocketPathError(_unusable(path, error)) from None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise SocketPathError(_unusable(path, error)) from None
    status = os.fstat(descriptor)
    if status.st_uid != uid or stat.S_IMODE(status.st_mode) & 0o077:
        os.close(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        message = (
            f"{path} belongs to user {status.st_uid} with mode {mode:04o}; expected user {uid} and mode 0700, because "
            f"other users could create sockets there. Remove it, or: chown {uid} {path} && chmod 700 {path}"
        )
        if status.st_uid != uid:
            message = (
                f"{path} is taken: it belongs to user {status.st_uid} with mode {mode:04o}, who could create "
                f"sockets there; expected user {uid} and mode 0700. Remove it (rm -r {path}, as that user or as root), "
                f"or set {_VARIABLE} to your own directory."
            )
        raise SocketPathError(message)
    return descriptor


def _unusable(path: str, error: OSError) -> str:
    squatter = _squatter(path)
    if squatter:
        return (
            f"{path} is taken: it is {squatter}; expected a directory that only you can access. Remove it "
            f"(rm {path}), or set {_VARIABLE} to your own directory."
        )
    return (
        f"{path} can't be used ({error.strerror or error}). In a container with a read-only file system mount an "
        f"emptyDir or tmpfs at /tmp, or set {_VARIABLE} to a directory whose parent is writable."
    )


def _squatter(path: str) -> str:
    """Describe the file at the directory's path and its owner; empty if there is none, or if it is a directory."""
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    if stat.S_ISDIR(status.st_mode):
        return ""
    if stat.S_ISLNK(status.st_mode):
        return f"a symbolic link to {os.readlink(path)} made by user {status.st_uid}"  # noqa: PTH115 (a text)
    kinds = {stat.S_IFREG: "a file", stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a pipe"}
    return f"{kinds.get(stat.S_IFMT(status.st_mode), 'a device')} of user {status.st_uid}"


def socket_address(directory: int, path: str, name: str) -> str:
    """Return an address for a socket in an opened directory, through its descriptor if the system supports it.

    Args:
        directory: The descriptor.
        path: The directory's path.
        name: Name of the socket.

    Raises:
        SocketPathError: If only the path can be used and it is too long for an address.
    """
    through = f"/proc/self/fd/{directory}"
    try:
        seen, opened = Path(through).stat(), os.fstat(directory)
        if (seen.st_dev, seen.st_ino) == (opened.st_dev, opened.st_ino):
            return f"{through}/{name}"
    except OSError:
        # Without /proc the path is used.
        pass
    address = f"{path}/{name}"
    if len(os.fsencode(address)) > _MAX_PATH_BYTES:
        message = f"{address} is too long for a socket; set {_VARIABLE} to a shorter path."
        raise SocketPathError(message)
    return address
