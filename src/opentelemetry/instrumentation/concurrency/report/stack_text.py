"""Stacks as Python prints tracebacks, cut to the limit with the innermost frames kept and the cut marked."""

from __future__ import annotations

import linecache
from collections.abc import Iterable

from ..diagnose.fingerprint import NamedFrame


def stack_text(frames: Iterable[NamedFrame], *, limit_bytes: int, with_source: bool = False) -> str:
    """Return frames as text, innermost last.

    Args:
        frames: Outermost first.
        limit_bytes: Most bytes of the text in UTF-8; the outermost frames go first.
        with_source: Add the source line of each frame.
    """
    entries = [_entry(frame, with_source=with_source) for frame in frames]
    kept: list[str] = []
    used = 0
    for index, entry in enumerate(reversed(entries)):
        left_out = len(entries) - index
        mark = f"  ... {left_out} outer frame{'s' if left_out > 1 else ''} cut\n"
        reserve = len(mark) if left_out > 1 else 0
        size = len(entry.encode("utf-8", "replace"))
        if used + size + reserve > limit_bytes:
            kept.append(mark if used + len(mark) <= limit_bytes else mark[: max(0, limit_bytes - used)])
            break
        kept.append(entry)
        used += size
    return "".join(reversed(kept)).rstrip("\n")


def frame_text(frame: NamedFrame) -> str:
    """Return one frame as ``function (path:line)``."""
    return f"{frame.function} ({frame.path}:{frame.line})"


def _entry(frame: NamedFrame, *, with_source: bool) -> str:
    entry = f'  File "{frame.path}", line {frame.line}, in {frame.function}\n'
    if with_source and frame.path.endswith(".py"):
        source = linecache.getline(frame.path, frame.line).strip()
        if source:
            entry += f"    {source}\n"
    return entry
