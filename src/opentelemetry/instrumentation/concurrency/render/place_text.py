"""Positions and wait states in the text forms."""

from __future__ import annotations

from ..durations import duration_text
from ..record.naming import CodeLine
from ..record.site import BEFORE_ATTACH
from ..snapshot.values import CreationSite, LivePicture
from .name_text import NAME_LIMIT, sanitize_name

_PATH_LIMIT = 1000


def function_text(entry: CodeLine | CreationSite) -> str:
    """Return the function of a frame or site."""
    return sanitize_name(entry.function, NAME_LIMIT)


def created_by(site: CreationSite) -> str:
    """Return ``created by shop.search.query``, or ``created before attach``."""
    return "created before attach" if site.function == BEFORE_ATTACH else f"created by {function_text(site)}"


def age_text(picture: LivePicture) -> str:
    """Return the age of a task or thread, as a lower bound if it was created before ``attach``."""
    return f"{'at least ' if picture.before_attach else ''}{duration_text(picture.age_s)}"


def position_text(entry: CodeLine | CreationSite) -> str:
    """Return ``path:line``; empty if only a name is known."""
    return f"{sanitize_name(entry.path, _PATH_LIMIT)}:{entry.line}" if entry.path else ""


def state_text(wait_reason: str, stalled_s: float | None, verdict: str | None, *more: str) -> str:
    """Return ``[queue.put, 12 minutes, unwakeable]``.

    Args:
        wait_reason: The wait reason.
        stalled_s: Seconds of the wait for the same object; None if unknown; omitted below 1.
        verdict: The verdict, or None.
        more: Further words, placed before the verdict.
    """
    parts = [wait_reason]
    if stalled_s is not None and stalled_s >= 1:
        parts.append(duration_text(stalled_s))
    parts += more
    if verdict is not None:
        parts.append(verdict)
    return f"[{', '.join(parts)}]"
