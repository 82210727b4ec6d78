"""Suspected sites and spawning lines: growing, or with too many live tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ...census.census import Census
from ...census.pace import paced
from ...census.scan import Scan, Tally
from ...record.greenlets import threads_are_greenlets
from ...record.long_lived import declared_function
from ...record.naming import CodeLine
from ...record.site import Kind, Site, SpawningLine
from ...settings import Settings
from ..executors import are_bounded_workers
from ..ownership.ignored import IgnoreList
from .growth import Growth, GrowthWatch, Rate, growth_clause
from .live_limit import are_declared, are_of_connections, crowded_without_owner
from .spawning_lines import SpawningSites, callers_of, total_of

S = TypeVar("S", Site, SpawningLine)


@dataclass(frozen=True, slots=True)
class Growing:
    """A suspected site or spawning line.

    Attributes:
        site: The site; for a spawning line, the site that represents it.
        tallies: The tallies of the sites that it comprises.
        rows: The live tasks or threads older than one window; all of them if the evidence does not depend on age.
        evidence: The evidence, as a clause.
        callers: For a spawning line, the creating lines and their numbers of live objects, highest first.
        rises: Whether its number rises, which later scans may refute; otherwise it exceeds the live limit.
    """

    site: Site
    tallies: Sequence[Tally]
    rows: Sequence[int]
    evidence: str
    callers: tuple[tuple[CodeLine, int], ...] = ()
    rises: bool = True

    @property
    def count(self) -> int:
        """Number of live tasks or threads."""
        return sum(tally.live for tally in self.tallies)

    @property
    def old(self) -> int:
        """Number of those older than one window."""
        return sum(tally.older[0] for tally in self.tallies)


class GrowingSites:
    """Applies the growth rule and the live limit to every scan.

    Args:
        settings: The settings.
        ignored: Sites that are never suspected.
    """

    def __init__(self, settings: Settings, ignored: IgnoreList) -> None:
        self._settings = settings
        self._ignored = ignored
        self._spawning = SpawningSites()
        window, scans, minimum = settings.growth_window, settings.growth_scans, settings.growth_min
        self._of_sites: GrowthWatch[Site] = GrowthWatch(window_s=window, scans=scans, minimum=minimum)
        self._of_lines: GrowthWatch[SpawningLine] = GrowthWatch(window_s=window, scans=scans, minimum=minimum)

    @property
    def ages_s(self) -> tuple[float, ...]:
        """Ages in seconds for which the census counts older tasks and threads."""
        return self._of_sites.ages_s

    def gap(self) -> None:
        """Restart all windows, because the process could not run."""
        self._of_sites.gap()
        self._of_lines.gap()

    def rate(self, site: Site) -> Rate | None:
        """Return how fast the number of old tasks or threads of a site rises; None if that is not known yet."""
        return self._of_sites.rate(site)

    def scan(self, census: Census, scan: Scan, pause: Callable[[], None]) -> Iterator[Growing]:
        """Yield the sites suspected as of a scan, then the spawning lines of which no site is suspected.

        Args:
            census: The census; its lock is held.
            scan: The scan.
            pause: Lets the application run.
        """
        threads = () if threads_are_greenlets() else scan.threads
        tallies = [tally for tally in (*scan.tasks, *threads) if not self._is_exempt(tally.site)]
        by_site = {tally.site: [tally] for tally in tallies}
        shared = self._spawning.shared(tallies)
        growing_sites = {found.site: found for found in self._of_sites.scan(scan.at, _older(by_site))}
        growing_lines = {found.site: found for found in self._of_lines.scan(scan.at, _older(shared))}
        suspected: set[Site] = set()
        for site, alike in self._candidates(by_site, growing_sites):
            suspect = self._judge(site, alike, growing_sites.get(site), census, scan, pause)
            if suspect is not None:
                suspected.add(site)
                yield suspect
        for line, alike in self._candidates(shared, growing_lines):
            if any(tally.site in suspected for tally in alike) or self._is_of_one(alike, growing_lines.get(line)):
                continue
            site = self._spawning.site_of(line, alike[0].site)
            suspect = self._judge(site, alike, growing_lines.get(line), census, scan, pause)
            if suspect is not None:
                yield suspect

    def _is_of_one(self, tallies: list[Tally], growth: Growth[SpawningLine] | None) -> bool:
        """Return whether one site accounts for most of the rise, so that it will be suspected by itself."""
        if growth is None:
            return False
        highest = max(self._of_sites.rise(tally.site, growth.window_s) for tally in tallies)
        return 2 * highest > growth.last - growth.first

    def _is_exempt(self, site: Site) -> bool:
        return self._ignored.holds_site(site) or declared_function(site.runs) is not None

    def _candidates(
        self, tallies: Mapping[S, list[Tally]], growing: Mapping[S, Growth[S]]
    ) -> Iterator[tuple[S, list[Tally]]]:
        limit = self._settings.live_limit
        for key, alike in tallies.items():
            is_crowd = alike[0].site.kind == "task" and sum(tally.live for tally in alike) > limit
            if key in growing or is_crowd:
                yield key, alike

    def _judge(
        self,
        site: Site,
        tallies: list[Tally],
        growth: Growth[S] | None,
        census: Census,
        scan: Scan,
        pause: Callable[[], None],
    ) -> Growing | None:
        kind: Kind = site.kind
        columns = census.tasks if kind == "task" else census.threads
        numbers = {tally.site.number for tally in tallies}
        rows = [row for row, number in enumerate(paced(columns.sites, pause)) if number in numbers]
        evidence, born_before = None, None
        if growth is not None and not (
            kind == "task" and growth.window_s <= self._settings.growth_window and are_of_connections(columns, rows)
        ):
            evidence, born_before = growth_clause(growth, kind), scan.at - self._settings.growth_window
        elif kind == "task" and sum(tally.live for tally in tallies) > self._settings.live_limit:
            evidence = crowded_without_owner(columns, rows, self._settings.live_limit)
        if evidence is None or not rows or are_declared(columns, rows, kind):
            return None
        if all(are_bounded_workers(census, tally.site, self._settings.resident_limit) for tally in tallies):
            return None
        callers = callers_of(tallies) if site.number < 0 else ()
        if born_before is not None:
            rows = [row for row in paced(rows, pause) if columns.created_at[row] <= born_before] or rows
        return Growing(site, tallies, rows, evidence, callers, rises=born_before is not None)


def _older(tallies: Mapping[S, list[Tally]]) -> dict[S, tuple[int, ...]]:
    return {key: total_of(alike) for key, alike in tallies.items()}
