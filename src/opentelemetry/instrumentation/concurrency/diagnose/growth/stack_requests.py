"""Requests for creation stacks, so that reports can show the leaked task's own.

A site with survivors beyond the age limit, with candidates for orphans, or suspected of growing records the stack of
every further creation, until enough of its old tasks have a stack of their own. A leak recurs; tasks created before the
request have no stack.

Cost: recording a stack takes some microseconds. A site records all stacks only while it creates at most
`MOST_PER_SECOND`, so that recording uses less than one per cent of a core. It stops when no additional old task has a
stack after twice the age limit, and resumes when it has more old tasks than before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ...census.ageing import AgeClock
from ...census.columns import Columns
from ...record.site import Site

ENOUGH: Final = 8
"""Number of old live objects with a stack at which a site returns to sampling; twice as many at any age."""
MOST_PER_SECOND: Final = 2_000.0
_FEW: Final = 4
_SITES_AT_ONCE: Final = 20


@dataclass(slots=True)
class _Request:
    created: int
    at: float
    old: int
    recorded: int
    risen_at: float


class StackRequests:
    """Tracks across scans which sites record all stacks."""

    def __init__(self) -> None:
        self._requests: dict[Site, _Request] = {}

    def scan(
        self,
        watched: Mapping[Site, int],
        columns: Columns,
        clock: AgeClock,
        age: float,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Start or stop recording all stacks at sites of one kind, and drop the stacks of finished objects.

        Args:
            watched: Sites to watch, with their number of old live objects.
            columns: The columns.
            clock: The age clock.
            age: The age limit in seconds.
            pause: Lets the application run.
        """
        now = clock.now()
        for number, (site, old) in enumerate(watched.items(), 1):
            if not number % _SITES_AT_ONCE:
                pause()
            if len(site.stacks) > _FEW:
                site.drop_ended_stacks(columns.is_finished)
            recorded = _recorded(site, columns, clock, now - age)
            is_enough = recorded >= ENOUGH or len(site.stacks) >= 2 * ENOUGH
            site.want_stacks(not is_enough and self._is_worthwhile(site, old, recorded, now, 2 * age))

    def end(self, watched: Iterable[Site]) -> None:
        """Return all sites to sampling that are no longer watched."""
        for site in self._requests.keys() - set(watched):
            site.want_stacks(False)
            site.drop_ended_stacks(lambda _found: False)
            del self._requests[site]

    def _is_worthwhile(self, site: Site, old: int, recorded: int, now: float, patience: float) -> bool:
        request = self._requests.get(site)
        if request is None:
            self._requests[site] = _Request(site.created, now, old, recorded, now)
            return True
        rate = (site.created - request.created) / max(now - request.at, 0.001)
        request.created, request.at = site.created, now
        if recorded > request.recorded or old > request.old:
            request.risen_at = now
        request.recorded, request.old = recorded, max(old, request.old)
        return rate <= MOST_PER_SECOND and now - request.risen_at <= patience


def _recorded(site: Site, columns: Columns, clock: AgeClock, born_before: float) -> int:
    """Return the number of old live objects of a site with a creation stack of their own."""
    return sum(
        found is not None and not columns.is_finished(found) and clock.convert(stack.created_at) <= born_before
        for stack in list(site.stacks.values())
        for found in (stack.reference(),)
    )
