"""How the text forms say where something is, what it waits for and for how long."""

from __future__ import annotations

from ..census.snapshot import CreationSite, StackEntry
from ..diagnose.verdict import duration_text
from .shown import NAME_LIMIT, shown

_PATH_LIMIT = 1000


def function_text(entry: StackEntry | CreationSite) -> str:
    """Return the function of a frame or site."""
    return shown(entry.function, NAME_LIMIT)


def position_text(entry: StackEntry | CreationSite) -> str:
    """Return ``path:line``; empty where only a name is known."""
    return f"{shown(entry.path, _PATH_LIMIT)}:{entry.line}" if entry.path else ""


def state_text(wait_reason: str, stalled_s: float | None, verdict: str | None, *more: str) -> str:
    """Return ``[queue.put, 12 minutes, unwakeable]``.

    Args:
        wait_reason: What is waited for.
        stalled_s: Seconds for which it is the very same thing; None if unknown, and under 1 it is not said.
        verdict: What it was judged to be, or None.
        more: What else is to be said, before the verdict.
    """
    parts = [wait_reason]
    if stalled_s is not None and stalled_s >= 1:
        parts.append(duration_text(stalled_s))
    parts += more
    if verdict is not None:
        parts.append(verdict)
    return f"[{', '.join(parts)}]"
