"""Output files of commands: readable only by their owner, written atomically, without following links."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Final

from ..snapshot.output import write_text
from .failures import CommandError, UsageError
from .terminal import emit

_HEAD_BYTES: Final = 200
_PLAIN: Final = bytes([*b"\t\n", *range(32, 127)])


def write_file(path: str, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file of mode 0600 atomically; ``-`` is standard output.

    Raises:
        CommandError: If the file can't be written.
    """
    if path == "-":
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if target.exists() and not target.is_file():
            # A pipe or device is written to, not replaced.
            with target.open("wb") as stream:
                write(stream)
            return
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123 (a descriptor)
                write(stream)
            unfinished.replace(target)
        except BaseException:  # raised again after the cleanup
            unfinished.unlink(missing_ok=True)
            raise
    except (OSError, UnicodeEncodeError) as error:
        # UnicodeEncodeError: a name that the file system cannot encode.
        reason = getattr(error, "strerror", None) or error
        message = f"{path} can't be written ({reason}): name another file, or - for standard output."
        raise CommandError(message) from None


def write_lines(path: str, lines: Iterable[str]) -> None:
    """Write lines of text as `write_file` does; on standard output they are sanitised.

    Raises:
        CommandError: If the file can't be written.
    """
    if path == "-":
        emit(lines)
    else:
        write_file(path, lambda stream: write_text(lines, stream))


def write_answer(path: str, body: bytes) -> None:
    """Write a JSON answer as `write_file` does, unchanged if it is ASCII, as agents of this package write it.

    Raises:
        CommandError: If the answer is not a snapshot, or the file can't be written.
    """
    if b'"schema_version"' not in body[:_HEAD_BYTES]:
        raise CommandError("The answer of the process is not a snapshot: it has no schema_version.")
    if body.translate(None, _PLAIN):
        try:
            body = json.dumps(json.loads(body), indent=1).encode("ascii") + b"\n"
        except (ValueError, RecursionError) as error:
            message = f"The answer of the process is not a snapshot ({error})."
            raise CommandError(message) from None
    write_file(path, lambda stream: stream.write(body))


def refuse_terminal(path: str, what: str) -> None:
    """Refuse to write binary data to a terminal.

    Raises:
        UsageError: If ``path`` is standard output and standard output is a terminal.
    """
    if path == "-" and sys.stdout.isatty():
        message = f"{what} is binary and not written to a terminal: name a file with -o FILE, or use a pipe."
        raise UsageError(message)
