"""The grouped text of a profile for a terminal: without addresses, fitted to the width.

In a pipe the text stays that of the profile, which `go tool pprof` reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from ..record.naming import CodeLine
from .fitting import place_lines
from .leak_blocks import is_library

_GROUP: Final = re.compile(r"(\d+) @")
_FRAME: Final = re.compile(r"#\t0x[0-9a-f]+\t([^\t]*)\t?(.*)")
_STATE: Final = re.compile(r"# (\[.*\])")
_PLACE: Final = re.compile(r"# (created by |through |runs )?([^\t]*)\t?(.*)")


def readable_stacks(lines: Iterable[str], kind: str, width: int, *, full: bool) -> Iterator[str]:
    """Yield the human-readable form of a grouped text.

    Args:
        lines: The text, line by line.
        kind: ``task`` or ``thread``.
        width: Width of the terminal.
        full: Whether to show library frames.
    """
    count = 0
    hidden = False
    for line in (line for text in lines for line in text.splitlines()):
        if group := _GROUP.match(line):
            count = int(group[1])
        elif state := _STATE.fullmatch(line):
            yield f"{count} {kind}{'' if count == 1 else 's'} {state[1]}\n"
        elif frame := _FRAME.fullmatch(line):
            if full or not is_library(CodeLine(frame[1], frame[2], 0)):
                yield from place_lines("    ", frame[1], frame[2], width)
            else:
                hidden = True
        elif place := _PLACE.fullmatch(line):
            yield from place_lines(f"  {place[1] or ''}", place[2], place[3], width)
        else:
            yield f"{line}\n"
    if hidden:
        yield "Frames of libraries are hidden; --full shows them.\n"
