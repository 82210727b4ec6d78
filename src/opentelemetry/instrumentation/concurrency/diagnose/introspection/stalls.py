"""How long tasks have waited for the same object, determined by scans.

An object is identified by a weak reference with a callback: ``id()`` of a new future repeats in 30 to 50 % of scans,
and a weak reference without a callback is shared with the application's. The callback is a C function without effect,
because it runs in any thread that drops the future. Only the oldest tasks of each site are tracked, which bounds the
memory; a group is described by its longest wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from weakref import ref

from .await_chain import leaf_waiter

WATCHED_PER_SITE: Final = 64
"""Maximum number of tracked tasks per site, the oldest first."""
WATCHED_AT_MOST: Final = 20_000
"""Maximum number of tracked tasks in total."""


class StallMark(ref):  # type: ignore[type-arg]  # ref[Any] in a class header would be evaluated at import
    """A weak reference to a waiter, distinguished from the application's by its type."""

    __slots__ = ()


class StallTracker:
    """Tracks, per task, the leaf waiter and the time since which it has been the same."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[StallMark, float]] = {}
        self._watched: dict[int, tuple[StallMark, float]] = {}
        self._by_site: dict[int, int] = {}

    def begin_scan(self) -> None:
        """Begin a scan; tasks not passed to `scan` during it are dropped at its end."""
        self._watched = {}
        self._by_site = {}

    def scan(self, serial: int, site: int, task: Any, now: float) -> None:
        """Compare the object that a task waits for with that of the previous scan.

        Args:
            serial: The task's serial number.
            site: The number of its site.
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
            except TypeError:  # the waiter does not support weak references
                return
        self._by_site[site] = watched + 1
        self._watched[serial] = known

    def end_scan(self) -> None:
        """End a scan."""
        self._since, self._watched = self._watched, {}

    def since(self, serial: int) -> float | None:
        """Return the time (age clock) since which a task has waited for the same object, or None if not tracked."""
        known = self._since.get(serial)
        return None if known is None else known[1]

    def longest(self, serials: Iterable[int]) -> float | None:
        """Return the earliest such time among the tasks, or None if none of them is tracked."""
        return min((known[1] for serial in serials if (known := self._since.get(serial)) is not None), default=None)
