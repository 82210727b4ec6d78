"""The young list: every creation since the last scan, as one small tuple each.

It prunes itself: left to a slow scan, a long list of tuples makes the garbage collector run full collections that the
application never had (0 → 5 in 300,000 tasks). Between two scans it holds at most 256 + 2 * survivors entries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from weakref import ReferenceType

from .creator import CreatorSpan
from .site import Site

_PRUNE_ABOVE: Final = 256


class Entry(NamedTuple):
    """What recording keeps of one creation. The hooks build it as a plain tuple of the same order."""

    reference: ReferenceType[Any]
    site: Site
    created_at: float
    creator: ReferenceType[Any] | None
    creator_span: CreatorSpan | None


class YoungList:
    """Entries in order of creation, appended without a lock by any thread.

    Args:
        is_gone: Tells whether a living object has ended (a task done, a thread dead).
    """

    __slots__ = ("_is_gone", "_lock", "entries", "limit")

    def __init__(self, is_gone: Callable[[Any], bool]) -> None:
        self.entries: list[Any] = []
        self.limit = _PRUNE_ABOVE
        self._is_gone = is_gone
        self._lock = threading.Lock()

    def prune(self) -> None:
        """Drop what has ended. Amortised: one look at each entry a creation. Never waits for a lock."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            entries, is_gone = self.entries, self._is_gone
            seen = len(entries)
            alive = [entry for entry in entries[:seen] if (found := entry[0]()) is not None and not is_gone(found)]
            entries[:seen] = alive
            self.limit = _PRUNE_ABOVE + 3 * len(alive)
        finally:
            self._lock.release()

    def drain(self) -> list[Any]:
        """Take all entries out, for the census. Creations that happen meanwhile stay for the next time."""
        with self._lock:
            entries = self.entries
            taken = entries[:]
            del entries[: len(taken)]
            self.limit = _PRUNE_ABOVE
        return taken

    def forget(self) -> None:
        """Empty the list, in a forked child, where its lock may be held by a thread that does not exist."""
        self._lock = threading.Lock()
        self.entries.clear()
        self.limit = _PRUNE_ABOVE
