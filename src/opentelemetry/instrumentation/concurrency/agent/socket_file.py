"""The listening socket of one process: created under a temporary name, published by a rename, removed at the end."""

from __future__ import annotations

import os
import socket
import stat
from typing import Final

from .socket_paths import (
    SocketPathError,
    directories,
    open_directory,
    parse_socket_name,
    runtime_directory,
    socket_address,
    socket_name,
    start_of,
)

_BACKLOG: Final = 16
_MAX_STALE: Final = 1000


class SocketFile:
    """A listening unix socket in the user's directory.

    Attributes:
        listener: The listening socket, non-blocking.
        path: Human-readable path of the socket.
    """

    def __init__(self, configured: str) -> None:
        """Open the socket in the first usable directory.

        Args:
            configured: Value of ``OTEL_PYTHON_CONCURRENCY_AGENT_DIR``.

        Raises:
            SocketPathError: If no directory is usable; the message has the reason and the remedy.
        """
        self._process_id = os.getpid()
        self._name = socket_name(self._process_id, start_of("self"))
        failures = []
        uid = os.geteuid()
        for directory in directories(uid, configured, runtime_directory(uid)):
            try:
                self._directory = open_directory(directory, uid, create=True)
            except SocketPathError as error:
                failures.append(str(error))
                continue
            try:
                self.listener = self._listen(directory)
            except (OSError, SocketPathError) as error:
                os.close(self._directory)
                failures.append(f"{directory}: {error}")
                continue
            self.path = f"{directory}/{self._name}"
            self._identity = self._identify()
            return
        # The failure of the default directory is the most helpful one.
        raise SocketPathError(failures[0])

    def is_there(self) -> bool:
        """Return whether the socket file still exists at its path."""
        return self._identify() == self._identity

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = os.lstat(self.path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _listen(self, directory: str) -> socket.socket:
        unpublished = f".{self._name}.new"
        _remove(self._directory, unpublished)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(socket_address(self._directory, directory, unpublished))
            os.chmod(unpublished, 0o600, dir_fd=self._directory)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            os.rename(unpublished, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except BaseException:  # raised again after the cleanup
            listener.close()
            _remove(self._directory, unpublished)
            raise
        remove_stale(self._directory, directory)
        return listener

    def close(self) -> None:
        """Stop listening, and remove the file if this process created it."""
        self.listener.close()
        if os.getpid() == self._process_id and self.is_there():
            _remove(self._directory, self._name)
        os.close(self._directory)


def remove_stale(directory: int, path: str) -> None:
    """Remove the sockets of processes that no longer run and on which no process listens. Never raises.

    A process that is ended by a signal, `os._exit` or the kernel leaves its socket behind. The same directory may be
    mounted in other containers, where other processes have these numbers: sockets that still answer are kept.

    Args:
        directory: A descriptor of the user's directory.
        path: Its path.
    """
    try:
        names = os.listdir(directory)[:_MAX_STALE]
    except OSError:
        return
    for name in names:
        # A process that ends between creating and publishing its socket leaves the unpublished one behind.
        named = parse_socket_name(name.removeprefix(".").removesuffix(".new") if name.startswith(".") else name)
        if named is not None and named[1] and start_of(named[0]) != named[1] and _is_deaf(directory, path, name):
            _remove(directory, name)


def _is_deaf(directory: int, path: str, name: str) -> bool:
    try:
        if not stat.S_ISSOCK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(socket_address(directory, path, name))
    except ConnectionRefusedError:
        return True
    except (OSError, SocketPathError):
        return False
    return False


def _remove(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:
        # It no longer exists, or can't be removed; the next process tries again.
        pass
