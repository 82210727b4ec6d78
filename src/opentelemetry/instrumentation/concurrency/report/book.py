"""When a group is reported: once when it has settled, again after a while, and once more when it is gone.

A group settles when its count stops growing from one scan to the next and the proof has decided about it; a leak that
goes on for ever is reported after `SETTLE_S` at the latest. So a burst of a thousand leaks is one report of a thousand,
not one of the first six, and what is proven is not first reported as something less.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

SETTLE_S: Final = 10.0
"""Seconds a growing group waits for its first report at most, or the age limit if that is longer."""


class Group(Protocol):
    """What the book needs to know of a group."""

    count: int
    is_complete: bool
    awaits_proof: bool


G = TypeVar("G", bound=Group)


@dataclass(slots=True)
class _Page:
    first_at: float
    count: int = 0
    reported_at: float | None = None
    repeat_after: float = 0.0
    open: bool = False
    limit_counted: bool = False


@dataclass(frozen=True, slots=True)
class Due(Generic[G]):
    """What one scan asks to be sent.

    Attributes:
        reports: Keys and groups to report now.
        resolved: Keys of reported groups that are gone.
        newly_limited: How many groups the limit held back for the first time.
    """

    reports: list[tuple[Hashable, G]]
    resolved: list[Hashable]
    newly_limited: int


class ReportBook(Generic[G]):
    """Remembers what was reported when.

    Args:
        limit: Reports a scan.
        repeat_s: Seconds until the same group is reported again; doubles each time, also across ``resolved``.
        settle_s: Seconds a growing group waits for its first report at most.
    """

    def __init__(self, *, limit: int, repeat_s: float, settle_s: float) -> None:
        self._limit = limit
        self._repeat_s = repeat_s
        self._settle_s = max(settle_s, SETTLE_S)
        self._pages: dict[Hashable, _Page] = {}

    def scan(self, groups: Iterable[tuple[Hashable, G]], now: float, *, final: bool = False) -> Due[G]:
        """Decide what is due after a scan.

        Args:
            groups: All groups found by it, with a key each that stays the same from scan to scan.
            now: Seconds of the age clock.
            final: Nothing comes after this; send what would still wait.
        """
        present = dict(groups)
        due = [(key, group) for key, group in present.items() if self._is_due(key, group, now, final=final)]
        due.sort(key=lambda item: -item[1].count)
        reports, held_back = due[: self._limit], due[self._limit :]
        for key, _ in reports:
            self._mark_reported(self._pages[key], now)
        newly_limited = 0
        for key, _ in held_back:
            newly_limited += not self._pages[key].limit_counted
            self._pages[key].limit_counted = True
        resolved = [key for key, page in self._pages.items() if page.open and key not in present]
        for key in resolved:
            self._pages[key].open = False
        for key in [key for key, page in self._pages.items() if key not in present and page.reported_at is None]:
            del self._pages[key]
        return Due(reports, resolved, newly_limited)

    def _is_due(self, key: Hashable, group: G, now: float, *, final: bool) -> bool:
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = _Page(first_at=now)
        waited = now - page.first_at >= self._settle_s
        settled = group.is_complete or group.count == page.count
        settled = final or waited or (settled and not group.awaits_proof)
        page.count = group.count
        if page.reported_at is None:
            return settled
        return settled and now - page.reported_at >= page.repeat_after

    def _mark_reported(self, page: _Page, now: float) -> None:
        page.repeat_after = page.repeat_after * 2 if page.reported_at is not None else self._repeat_s
        page.reported_at = now
        page.open = True
        page.limit_counted = False
