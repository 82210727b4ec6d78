"""What goes to the terminal: tables, colour where it is wanted, and a word when something takes long."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ..render.shown import shown

_PAINTED: Final = re.compile(r"\b(unwakeable|deadlock|orphaned|growing|no agent)\b")
_COLOURS: Final = {"unwakeable": 31, "deadlock": 31, "orphaned": 33, "growing": 33, "no agent": 2}
_CELL_LIMIT: Final = 4000


def wants_colour() -> bool:
    """Tell whether output goes to a terminal that shows colour and nobody said no."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def emit(lines: Iterable[str]) -> None:
    """Write lines that end with a newline, in colour where that is wanted."""
    paints = wants_colour()
    for line in lines:
        sys.stdout.write(_PAINTED.sub(_paint, line) if paints else line)
    sys.stdout.flush()


def emit_json(value: Any) -> None:
    """Write a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, wide: bool, with_headings: bool) -> Iterator[str]:
    """Yield a table, line by line; on a terminal the last column is cut to what fits.

    Args:
        headings: One a column; columns whose heading ends with ``>`` are set to the right.
        rows: The cells.
        wide: Never cut.
        with_headings: Whether to show the headings.
    """
    names = [heading.rstrip(">") for heading in headings]
    made = [[shown(cell, _CELL_LIMIT) for cell in row] for row in rows]
    if with_headings:
        made.insert(0, names)
    if not made:
        return
    widths = [max(len(row[at]) for row in made) for at in range(len(names))]
    limit = 0 if wide or not sys.stdout.isatty() else shutil.get_terminal_size().columns
    for row in made:
        cells = [
            cell.rjust(width) if heading.endswith(">") else cell.ljust(width)
            for cell, width, heading in zip(row, widths, headings, strict=True)
        ]
        line = "  ".join(cells).rstrip()
        yield (line[: limit - 1] + "…" if limit > 1 and len(line) > limit else line) + "\n"


class Progress:
    """Says on the terminal what is waited for, after the first second, and takes it away again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._length = 0

    def __call__(self, waited_s: float, received: int) -> None:
        """Show how long it has been and how much has come."""
        if waited_s < 1 or not sys.stderr.isatty():
            return
        size = f", {received / 1e6:.1f} MB" if received > 100_000 else ""
        text = f"{self._what} … {waited_s:.0f} s{size}"
        sys.stderr.write("\r" + text.ljust(self._length))
        sys.stderr.flush()
        self._length = len(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._length:
            sys.stderr.write("\r" + " " * self._length + "\r")
            sys.stderr.flush()


@contextlib.contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show what is waited for inside the block."""
    shown_progress = Progress(what)
    try:
        yield shown_progress
    finally:
        shown_progress.clear()


def say(text: str) -> None:
    """Write a paragraph to the error stream."""
    sys.stderr.write(f"{text}\n")


def short_duration(seconds: float) -> str:
    """Return a duration in few characters: ``48s``, ``12m``, ``3h``, ``2d``."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "m"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)}{name}"
    return f"{int(seconds // 86400)}d"


def _paint(match: re.Match[str]) -> str:
    return f"\x1b[{_COLOURS[match[0]]}m{match[0]}\x1b[0m"
