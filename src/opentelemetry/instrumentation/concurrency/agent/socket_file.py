"""The listening socket of one process: made under another name, published by a rename, removed at the end."""

from __future__ import annotations

import os
import socket
import stat
from typing import Final

from .places import (
    PlaceError,
    directories,
    open_directory,
    parse_socket_name,
    socket_address,
    socket_name,
    start_of,
)

_BACKLOG: Final = 16
_MAX_STALE: Final = 1000


class SocketFile:
    """A listening unix socket in the user's directory.

    Attributes:
        listener: Non-blocking, listening.
        path: Where it is, for people.
    """

    def __init__(self, configured: str) -> None:
        """Open it in the first directory that works.

        Args:
            configured: What ``AGENT_DIR`` says.

        Raises:
            PlaceError: If there is none; says why and what to do.
        """
        self._process_id = os.getpid()
        self._name = socket_name(self._process_id, start_of("self"))
        failures = []
        for directory in directories(os.geteuid(), configured):
            try:
                self._directory = open_directory(directory, os.geteuid(), create=True)
            except PlaceError as error:
                failures.append(str(error))
                continue
            try:
                self.listener = self._listen(directory)
            except (OSError, PlaceError) as error:
                os.close(self._directory)
                failures.append(f"{directory}: {error}")
                continue
            self.path = f"{directory}/{self._name}"
            self._identity = self._identify()
            return
        # The usual place says it best; the fallback is no better.
        raise PlaceError(failures[0])

    def is_there(self) -> bool:
        """Tell whether the file is still where clients look for it."""
        return self._identify() == self._identity

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = os.lstat(self.path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _listen(self, directory: str) -> socket.socket:
        unpublished = f".{self._name}.new"
        self._remove(unpublished)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(socket_address(self._directory, directory, unpublished))
            os.chmod(unpublished, 0o600, dir_fd=self._directory)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            os.rename(unpublished, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except BaseException:
            listener.close()
            self._remove(unpublished)
            raise
        self._remove_stale(directory)
        return listener

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._directory)
        except OSError:
            # It is gone already, or can't be removed; the next process finds it deaf and tries again.
            pass

    def _remove_stale(self, directory: str) -> None:
        """Remove the sockets of processes that were killed: nobody listens there, and no such process runs here."""
        try:
            names = os.listdir(self._directory)[:_MAX_STALE]  # noqa: PTH208 (a descriptor)
        except OSError:
            return
        for name in names:
            named = parse_socket_name(name)
            # The same directory may be mounted in other containers, where other processes have these numbers.
            if named is not None and named[1] and start_of(named[0]) != named[1] and self._is_deaf(directory, name):
                self._remove(name)

    def _is_deaf(self, directory: str, name: str) -> bool:
        try:
            if not stat.S_ISSOCK(os.stat(name, dir_fd=self._directory, follow_symlinks=False).st_mode):
                return False
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.setblocking(False)
                probe.connect(socket_address(self._directory, directory, name))
        except ConnectionRefusedError:
            return True
        except (OSError, PlaceError):
            return False
        return False

    def close(self) -> None:
        """Stop listening, and remove the file where this process made it."""
        self.listener.close()
        if os.getpid() == self._process_id and self.is_there():
            self._remove(self._name)
        os.close(self._directory)
