"""Since when a task waits for the very same thing, from scans alone.

Identity is a weak reference with a callback: ``id()`` of a new future repeats in 30 to 50 % of looks, and a weak
reference without a callback is shared with the application's own. The callback is a C function without effect, since
it runs in whatever thread drops the future. Only the oldest tasks of each site are watched: that bounds the memory, and
a group is shown by its longest stall.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from weakref import ref

from .await_chain import leaf_waiter

WATCHED_PER_SITE: Final = 64
"""Tasks of one site that are watched, the oldest first."""
WATCHED_AT_MOST: Final = 20_000
"""Tasks that are watched in all."""


class StallMark(ref):  # type: ignore[type-arg]
    """Our own weak reference to a waiter, told apart from the application's by its type."""

    __slots__ = ()


class StallBook:
    """Remembers, for each watched task, the leaf waiter it was last seen with and since when."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[StallMark, float]] = {}
        self._watched: dict[int, tuple[StallMark, float]] = {}
        self._by_site: dict[int, int] = {}

    def begin_look(self) -> None:
        """Begin a scan: what is not looked at in it is forgotten at its end."""
        self._watched = {}
        self._by_site = {}

    def look(self, serial: int, site: int, task: Any, now: float) -> None:
        """Compare what a task waits for now with what it waited for at the scan before.

        Args:
            serial: The task's serial number.
            site: Number of its site.
            task: The task.
            now: Seconds of the age clock.

        Cost: about a microsecond.
        """
        watched = self._by_site.get(site, 0)
        if watched >= WATCHED_PER_SITE or len(self._watched) >= WATCHED_AT_MOST:
            return
        waiter = leaf_waiter(task)
        if waiter is None:
            return
        known = self._since.get(serial)
        if known is None or known[0]() is not waiter:
            try:
                known = (StallMark(waiter, callable), now)
            except TypeError:  # a waiter without weak references
                return
        self._by_site[site] = watched + 1
        self._watched[serial] = known

    def end_look(self) -> None:
        """End a scan."""
        self._since, self._watched = self._watched, {}

    def since(self, serial: int) -> float | None:
        """Return since when (seconds, age clock) a task waits for the very same thing, or None if it is not watched."""
        known = self._since.get(serial)
        return None if known is None else known[1]

    def longest(self, serials: Iterable[int]) -> float | None:
        """Return the earliest such time among several tasks, or None if none of them is watched."""
        return min((known[1] for serial in serials if (known := self._since.get(serial)) is not None), default=None)
