"""Files that commands write: readable by this user alone, whole or not at all, no link followed."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from .failures import CommandError, UsageError


def write_file(path: str, write: Callable[[IO[bytes]], Any]) -> None:
    """Let ``write`` fill a file of mode 0600 that appears under its name when it is whole; ``-`` is standard output.

    Raises:
        CommandError: If it can't be written.
    """
    if path == "-":
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if target.exists() and not target.is_file():
            # A pipe or device is no file to replace.
            with target.open("wb") as stream:
                write(stream)
            return
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123 (a descriptor)
                write(stream)
            unfinished.replace(target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        message = f"{path} can't be written ({error.strerror or error}): name another file, or - for standard output."
        raise CommandError(message) from None


def refuse_terminal(path: str, what: str) -> None:
    """Refuse to write bytes to a terminal.

    Raises:
        UsageError: If that is what was asked for.
    """
    if path == "-" and sys.stdout.isatty():
        message = f"{what} is nothing for a terminal: name a file with -o FILE, or use a pipe."
        raise UsageError(message)
