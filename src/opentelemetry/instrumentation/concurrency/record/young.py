"""The young list: every creation since the last scan, six entries per creation.

It is one flat list: the garbage collector then counts one weak reference per creation. With a tuple per creation, a
service that asks two backends per request ran the collector six times as often.

The list prunes itself: pruned only by a slow scan, it would grow and cause full collections that the application
otherwise never has (0 → 5 in 300,000 tasks). Between two scans it holds at most twice the survivors, or 64 creations
more than survive. It therefore stays in the nearest cache, and freeing entries in bulk barely affects when the garbage
collector next runs.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from .site import Site

WIDTH: Final = 6
"""Entries per creation: weak reference, `Site`, raw monotonic time, weak reference to the creator or None,
`CreatorSpan` or None, address."""

_PRUNE_ABOVE: Final = 64 * WIDTH
_AT_ONCE: Final = 10_000
_MOST_PRUNED: Final = 16_384
"""Maximum number of creations pruned since the last scan that are remembered by address."""
_MOST_DROPPED: Final = 1_000_000
"""Maximum number of creations remembered while a collection is in progress."""
_LOCK_TIMEOUT_S: Final = 5.0
"""Seconds without the lock after which its holder is considered gone: pruning takes milliseconds."""


class Dropped:
    """Addresses and sites of removed creations, in order.

    Written and read without a lock: `site_at` may be called at any point.
    """

    __slots__ = ("_addresses", "_indexed", "_site_at", "_sites")

    def __init__(self) -> None:
        # Not one object per creation, which would make the garbage collector run earlier.
        self._addresses = array("Q")
        self._sites: list[Site] = []
        self._site_at: dict[int, Site] = {}
        self._indexed = 0

    def __len__(self) -> int:
        return len(self._sites)

    def add(self, addresses: Iterable[int], sites: Iterable[Site]) -> None:
        """Append creations."""
        self._addresses.extend(addresses)
        self._sites.extend(sites)

    def add_all(self, other: Dropped) -> None:
        """Append the creations of a later instance."""
        self.add(other._addresses, other._sites)

    def clear(self) -> None:
        """Remove everything in slices: freeing a million references at once would stop every thread."""
        while self._sites:
            del self._sites[-_AT_ONCE:]

    def last(self, count: int) -> Dropped:
        """Return the last ``count`` creations."""
        made = Dropped()
        made.add(self._addresses[-count:], self._sites[-count:])
        return made

    def site_at(self, address: int) -> Site | None:
        """Return the site of the last creation at an address, or None."""
        # Limited to the shorter list: another thread may be appending.
        known, total = self._indexed, min(len(self._addresses), len(self._sites))
        if total > known:
            self._site_at.update(zip(self._addresses[known:total], self._sites[known:total], strict=False))
            self._indexed = total
        return self._site_at.get(address)


class YoungList:
    """Creations in order, appended by any thread without a lock: ``entries += (reference, site, …)``.

    Args:
        is_finished: Returns whether a live object has finished (a task done, a thread dead).
        is_collecting: Returns whether a garbage collection is in progress. A dead reference may then belong to an
            object that the collector has not finalized yet.
    """

    __slots__ = (
        "_dropped",
        "_dropped_before",
        "_indexed",
        "_is_collecting",
        "_leaving",
        "_leaving_at",
        "_lock",
        "_newest_indexed",
        "_pruned",
        "_site_at",
        "_was_asked",
        "entries",
        "limit",
        "living",
    )

    def __init__(self, is_finished: Callable[[Any], bool], is_collecting: Callable[[], bool] = lambda: False) -> None:
        self.entries: list[Any] = []
        self.limit = _PRUNE_ABOVE
        self.living: Callable[[list[Any], int], list[Any]] = partial(_living, is_finished)
        """Takes the entries and how many of them to examine; returns those of unfinished objects, as a flat list."""
        self._is_collecting = is_collecting
        self._lock = threading.Lock()
        self._leaving: list[Any] = []
        self._leaving_at: dict[int, Site] | None = None
        self._site_at: dict[int, Site] = {}
        self._newest_indexed: Any = None
        self._indexed = 0
        # Three generations: pruned since the last drain; pruned or drained before that but after the last scan; and the
        # same for the scan before.
        self._pruned, self._dropped, self._dropped_before = Dropped(), Dropped(), Dropped()
        self._was_asked = False

    def prune(self) -> None:
        """Drop finished entries. At most two checks per creation (amortized). Never waits for a lock."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            entries = self.entries
            seen = len(entries)
            alive = self.living(entries, seen)
            # Checked after the references: a collection that has ended meanwhile has finalized its tasks, too.
            is_collecting = self._is_collecting()
            if is_collecting or (self._was_asked and seen <= _MOST_PRUNED * WIDTH):
                if len(self._pruned) > _MOST_PRUNED and not is_collecting:
                    self._pruned = self._pruned.last(_MOST_PRUNED // 2)
                self._pruned.add(entries[5:seen:WIDTH], entries[1:seen:WIDTH])
            entries[:seen] = alive
            self.limit = len(alive) + max(_PRUNE_ABOVE, len(alive))
        finally:
            self._lock.release()

    def drain(self) -> list[Any]:
        """Remove and return all entries, as a flat list, for the census. Concurrent creations stay for the next."""
        if not self._lock.acquire(timeout=_LOCK_TIMEOUT_S):
            # A signal handler of the application raised right after `prune` acquired the lock, so it is never released.
            self._lock = threading.Lock()
            self._lock.acquire()
        try:
            self._dropped.add_all(self._pruned)
            self._pruned = Dropped()
            entries = self.entries
            self._leaving_at = None
            taken = self._leaving = entries[:]
            del entries[: len(taken)]
            self.limit = _PRUNE_ABOVE
        finally:
            self._lock.release()
        return taken

    def drained(self) -> None:
        """Note that the census has entered the drained entries; until then, `site_at` still finds them here.

        They are remembered for one more scan: the collector calls back between clearing the references to all garbage
        and finalizing the first object, and a scan may run in that time.
        """
        leaving, step = self._leaving, _AT_ONCE * WIDTH
        for start in range(0, len(leaving), step):
            part = leaving[start : start + step]
            self._dropped.add(part[5::WIDTH], part[1::WIDTH])
        self._leaving, self._leaving_at = [], None
        self._site_at = {}
        self._newest_indexed = None
        self._indexed = 0

    def end_scan(self) -> None:
        """Note that a scan has ended: `site_at` drops the entries removed before the previous scan ended.

        Nothing is dropped while a collection is in progress, which may outlast two scans.
        """
        if self._is_collecting() and len(self._dropped) < _MOST_DROPPED:
            return
        forgotten = self._dropped_before
        self._dropped_before, self._dropped = self._dropped, Dropped()
        forgotten.clear()
        self._was_asked = False

    def site_at(self, address: int) -> Site | None:
        """Return the site of the newest creation at an address, or None if there was none for a whole scan.

        Used for objects that are being destroyed: up to Python 3.13, the garbage collector clears their weak references
        first, so that a scan or pruning in between takes them for finished. Entries removed during a collection are
        therefore remembered.

        Cost: amortized one dictionary entry per creation, from the first call until the next scan has ended. Takes no
        lock: the garbage collector may call it at any point.
        """
        # From now on, removed entries are remembered, for failures that are reported soon after their task has ended.
        # Without a call or a collection, creations do not pay for this.
        self._was_asked = True
        entries, known = self.entries, self._indexed
        if not 0 < known <= len(entries) or entries[known - WIDTH] is not self._newest_indexed:
            # The list was pruned or drained since the last call.
            self._site_at = {}
            known = 0
        fresh = entries[known:]
        if fresh:
            self._site_at |= _sites_by_address(fresh)
            self._newest_indexed, self._indexed = fresh[-WIDTH], known + len(fresh)
        # The newest first: addresses are reused.
        site = self._site_at.get(address) or self._pruned.site_at(address)
        if site is None and self._leaving:
            if self._leaving_at is None:
                self._leaving_at = _sites_by_address(self._leaving)
            site = self._leaving_at.get(address)
        return site or self._dropped.site_at(address) or self._dropped_before.site_at(address)

    def forget(self) -> None:
        """Clear the list in a forked child, where a thread that does not exist may hold the lock."""
        self._lock = threading.Lock()
        self.entries.clear()
        self.limit = _PRUNE_ABOVE
        self._pruned, self._dropped, self._dropped_before = Dropped(), Dropped(), Dropped()
        self._was_asked = False
        self.drained()


def _sites_by_address(entries: list[Any]) -> dict[int, Site]:
    return dict(zip(entries[5::WIDTH], entries[1::WIDTH], strict=True))


def _living(is_finished: Callable[[Any], bool], entries: list[Any], seen: int) -> list[Any]:
    references: list[Any] = entries[:seen:WIDTH]
    alive: list[Any] = []
    for reference in references:
        if reference() is not None:
            break
    else:
        references.clear()
    for place, reference in enumerate(references):
        if (found := reference()) is not None and not is_finished(found):
            alive += entries[place * WIDTH : (place + 1) * WIDTH]
    return alive
