"""The last known await chain per site, for reports on destroyed tasks.

The garbage collector may finalize a coroutine before its task, so that a destroyed task no longer shows where it
waited. Therefore one await chain per site is read at each scan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ...census.columns import Columns
from ...census.pace import SLICE
from .await_chain import AwaitChain
from .readable import chain_of
from .wait_reason import wait_reason

MOST_PER_SCAN: Final = 50
"""Maximum number of sites read per scan: first those never read, then the others in turn. From 3.11 on, an inspected
coroutine keeps a frame object until it ends."""


class LastWaits:
    """Await chains and wait reasons by site number."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[AwaitChain, str]] = {}
        self._next = 0

    def scan(self, columns: Columns, pause: Callable[[], None]) -> None:
        """Read the newest task of each site, for at most `MOST_PER_SCAN` sites.

        Args:
            columns: The columns of tasks.
            pause: Lets the application run.

        Cost: 40 ns per row, and one await chain per site.
        """
        newest: dict[int, int] = {}
        for start in range(0, len(columns), SLICE):
            sites = columns.sites[start : start + SLICE]
            newest.update(zip(sites, range(start, start + len(sites)), strict=True))
            pause()
        for number in self._due(newest):
            task = columns.references[newest[number]]()
            if task is None or columns.is_finished(task):
                continue
            chain = chain_of(task)
            reason = wait_reason(task, chain)
            if chain.frames and chain.partial is None and reason not in {"running", "runnable"}:
                self._seen[number] = (chain._replace(awaited=None), reason)
        pause()

    def _due(self, numbers: Iterable[int]) -> list[int]:
        due = [number for number in numbers if number not in self._seen][:MOST_PER_SCAN]
        known = [number for number in numbers if number in self._seen]
        room = min(MOST_PER_SCAN - len(due), len(known))
        if room:
            self._next %= len(known)
            due += (known + known)[self._next : self._next + room]
            self._next += room
        return due

    def of(self, site_number: int) -> tuple[AwaitChain, str] | None:
        """Return await chain and wait reason of the latest inspected task of a site, or None."""
        return self._seen.get(site_number)
