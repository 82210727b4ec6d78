"""The young list: every creation since the last scan, six places of one list each.

One flat list, not a tuple each: what the garbage collector counts is one weak reference a creation, and a service that
asks two backends a request ran it six times as often with tuples. It prunes itself: left to a slow scan, a long list
makes the collector run full collections that the application never had (0 → 5 in 300,000 tasks). Between two scans it
holds at most 64 creations more than survive, or twice as many as survive: it stays in the nearest cache, and what it
frees at once does not bring the next collection of the application much nearer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from .site import Site

WIDTH: Final = 6
"""Places a creation takes: weak reference, `Site`, raw monotonic time, weak reference to its creator or None,
`CreatorSpan` or None, address."""

_PRUNE_ABOVE: Final = 64 * WIDTH
_NOBODY_HOLDS_S: Final = 5.0
"""Seconds without the lock after which its holder is gone: a prune takes milliseconds."""


class YoungList:
    """Creations in their order, added without a lock by any thread: ``entries += (reference, site, …)``.

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
        """Drop what has ended. Amortised: two looks a creation at most. Never waits for a lock."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            entries, is_gone = self.entries, self._is_gone
            seen = len(entries)
            references: list[Any] = entries[:seen:WIDTH]
            alive: list[Any] = []
            for reference in references:
                if reference() is not None:
                    break
            else:
                references.clear()
            for place, reference in enumerate(references):
                if (found := reference()) is not None and not is_gone(found):
                    alive += entries[place * WIDTH : (place + 1) * WIDTH]
            entries[:seen] = alive
            self.limit = len(alive) + max(_PRUNE_ABOVE, len(alive))
        finally:
            self._lock.release()

    def drain(self) -> list[Any]:
        """Take all out, for the census: a flat list as well. Creations that happen meanwhile stay for the next time."""
        if not self._lock.acquire(timeout=_NOBODY_HOLDS_S):
            # A signal handler of the application raised where `prune` had just taken the lock: nobody gives it back.
            self._lock = threading.Lock()
            self._lock.acquire()
        try:
            entries = self.entries
            taken = self._leaving = entries[:]
            del entries[: len(taken)]
            self.limit = _PRUNE_ABOVE
        finally:
            self._lock.release()
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
        if not 0 < known <= len(entries) or entries[known - WIDTH] is not self._newest_indexed:
            # Pruned or drained since the last question.
            self._site_at = _sites_by_address(self._leaving)
            known = 0
        fresh = entries[known:]
        if fresh:
            self._site_at |= _sites_by_address(fresh)
            self._newest_indexed, self._indexed = fresh[-WIDTH], known + len(fresh)
        return self._site_at.get(address)

    def forget(self) -> None:
        """Empty the list, in a forked child, where its lock may be held by a thread that does not exist."""
        self._lock = threading.Lock()
        self.entries.clear()
        self.limit = _PRUNE_ABOVE
        self.drained()


def _sites_by_address(entries: list[Any]) -> dict[int, Site]:
    return dict(zip(entries[5::WIDTH], entries[1::WIDTH], strict=True))
