"""Stack texts in traceback format, cut to a limit from the outermost frame."""

from __future__ import annotations

import linecache
from collections.abc import Iterable

from ..diagnose.introspection.fingerprint import NamedFrame
from ..sanitize import sanitize


def stack_text(frames: Iterable[NamedFrame], *, limit_bytes: int, with_source: bool = False) -> str:
    """Return frames as text, innermost last.

    Args:
        frames: The frames, outermost first.
        limit_bytes: Maximum size of the text in UTF-8; the outermost frames are cut first, and the cut is marked.
        with_source: Whether to add the source line of each frame.
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


def _entry(frame: NamedFrame, *, with_source: bool) -> str:
    entry = f'  File "{sanitize(frame.path)}", line {frame.line}, in {sanitize(frame.function)}\n'
    if with_source and frame.path.endswith(".py"):
        source = linecache.getline(frame.path, frame.line).strip()
        if source:
            entry += f"    {sanitize(source)}\n"
    return entry
