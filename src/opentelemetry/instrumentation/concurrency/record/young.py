"""The young list: every creation since the last scan, as one small tuple each.

It prunes itself: left to a slow scan, a long list of tuples makes the garbage collector run full collections that the
application never had (0 → 5 in 300,000 tasks). Between two scans it holds at most 64 + 3 * survivors entries, so that
it stays in the nearest cache: with 256 a request of a small aiohttp service took 2 % more CPU time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from weakref import ReferenceType

from .creator import CreatorSpan
from .site import Site

_PRUNE_ABOVE: Final = 64


class Entry(NamedTuple):
    """What recording keeps of one creation. The hooks build it as a plain tuple of the same order."""

    reference: ReferenceType[Any]
    site: Site
    created_at: float
    creator: ReferenceType[Any] | None
    creator_span: CreatorSpan | None
    address: int


class YoungList:
    """Entries in order of creation, appended without a lock by any thread.

    Args:
        is_gone: Tells whether a living object has ended (a task done, a thread dead).
    """

    __slots__ = ("_indexed", "_is_gone", "_leaving", "_lock", "_newest_indexed", "_site_at", "entries", "limit")

    def __init__(self, is_gone: Callable[[Any], bool]) -> None:
        self.entries: list[Any] = []
        self.limit = _PRUNE_ABOVE
        self._is_gone = is_gone
        self._lock = threading.Lock()
        self._leaving: list[Any] = []
        self._site_at: dict[int, Site] = {}
        self._newest_indexed: Any = None
        self._indexed = 0

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
            taken = self._leaving = entries[:]
            del entries[: len(taken)]
            self.limit = _PRUNE_ABOVE
        return taken

    def drained(self) -> None:
        """Say that the census has entered what it took out; until then `site_at` still finds it here."""
        self._leaving = []
        self._site_at = {}
        self._newest_indexed = None
        self._indexed = 0

    def site_at(self, address: int) -> Site | None:
        """Return the site of the newest creation at an address since the last scan, or None if there was none.

        For what is being destroyed: up to Python 3.13 the garbage collector clears its weak references before.

        Cost: amortised one dictionary entry a creation, from the first question on. Takes no lock: the garbage
        collector may ask at any place.
        """
        entries, known = self.entries, self._indexed
        if not 0 < known <= len(entries) or entries[known - 1] is not self._newest_indexed:
            # Pruned or drained since the last question.
            self._site_at = {entry[5]: entry[1] for entry in self._leaving}
            known = 0
        fresh = entries[known:]
        for entry in fresh:
            self._site_at[entry[5]] = entry[1]
        if fresh:
            self._newest_indexed, self._indexed = fresh[-1], known + len(fresh)
        return self._site_at.get(address)

    def forget(self) -> None:
        """Empty the list, in a forked child, where its lock may be held by a thread that does not exist."""
        self._lock = threading.Lock()
        self.entries.clear()
        self.limit = _PRUNE_ABOVE
        self.drained()
