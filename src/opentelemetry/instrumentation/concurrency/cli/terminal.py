"""Output of the commands: text, JSON, colour and progress.

Every text that a command prints goes through `emit`, `say` or `progress`, which sanitise it, or through `emit_json`,
which writes ASCII. Commands never write to a stream themselves; a test enforces that.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..sanitize import sanitize

_PAINTED: Final = re.compile(r"\b(unwakeable|deadlock|orphaned|growing|no agent)\b")
_COLOURS: Final = {"unwakeable": 31, "deadlock": 31, "orphaned": 33, "growing": 33, "no agent": 2}


def wants_colour() -> bool:
    """Return whether standard output is a terminal that supports colour and colour is not disabled."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def emit(lines: Iterable[str]) -> None:
    """Write lines, sanitised, in colour if the terminal supports it.

    Args:
        lines: Each is one line and ends with a newline. A newline within a line is part of an untrusted name, not a
            line break, and is shown as an escape.
    """
    paints = wants_colour()
    for line in lines:
        text = sanitize(line.removesuffix("\n"), keep="\t")
        sys.stdout.write(f"{_PAINTED.sub(_paint, text) if paints else text}\n")
    sys.stdout.flush()


def emit_script(text: str) -> None:
    """Write a text of several lines that contains no untrusted names."""
    emit(text.splitlines())


def emit_json(value: Any) -> None:
    """Write a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


class Progress:
    """A progress line on the terminal, shown after the first second and removed at the end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._length = 0

    def __call__(self, waited_s: float, received: int) -> None:
        """Show the time waited and the bytes received."""
        if waited_s < 1 or not sys.stderr.isatty():
            return
        size = f", {received / 1e6:.1f} MB" if received > 100_000 else ""
        text = sanitize(f"{self._what} … {waited_s:.0f} s{size}")
        sys.stderr.write("\r" + text.ljust(self._length))
        sys.stderr.flush()
        self._length = len(text)

    def clear(self) -> None:
        """Remove the line."""
        if self._length:
            sys.stderr.write("\r" + " " * self._length + "\r")
            sys.stderr.flush()


@contextlib.contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show a progress line during the block."""
    shown_progress = Progress(what)
    try:
        yield shown_progress
    finally:
        shown_progress.clear()


def say(text: str, *, end: str = "\n") -> None:
    """Write a paragraph, sanitised, to standard error.

    Args:
        text: One line, however long.
        end: Written after it.
    """
    sys.stderr.write(sanitize(text) + end)
    sys.stderr.flush()


def clear_screen() -> None:
    """Clear the terminal, if output goes to one."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[H\x1b[2J")


def escape_what_cannot_be_encoded() -> None:
    """Make both streams write an escape for characters that their encoding lacks instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _paint(match: re.Match[str]) -> str:
    return f"\x1b[{_COLOURS[match[0]]}m{match[0]}\x1b[0m"
