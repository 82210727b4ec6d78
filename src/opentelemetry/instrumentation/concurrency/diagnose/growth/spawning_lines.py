"""Spawners with several leaking callers: common growth and common responsibility.

If fifty application lines call one leaking library line, each of them stays below every threshold. Growth is therefore
also measured per spawning line and the function it runs, if several sites share them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from ...census.scan import Tally
from ...record.naming import CodeLine
from ...record.site import Site, SpawningLine
from ..introspection.fingerprint import is_application_path
from ..verdict.group import Group

_CALLERS: Final = 3
"""Number of creating lines that must all leak before their common spawner is held responsible."""


class SpawningSites:
    """Creates the site that represents a spawning line in reports, one per line."""

    def __init__(self) -> None:
        self._made: dict[SpawningLine, Site] = {}
        self._shared: set[SpawningLine] = set()

    def shared(self, tallies: Iterable[Tally]) -> dict[SpawningLine, list[Tally]]:
        """Return the tallies by spawning line, for lines that have had several sites at the same time."""
        found: dict[SpawningLine, list[Tally]] = {}
        for tally in tallies:
            found.setdefault(tally.site.spawning, []).append(tally)
        self._shared |= {line for line, alike in found.items() if len(alike) > 1}
        return {line: alike for line, alike in found.items() if line in self._shared}

    def site_of(self, spawning: SpawningLine, like: Site) -> Site:
        """Return the site that represents a spawning line.

        Args:
            spawning: The line.
            like: One of its sites.
        """
        site = self._made.get(spawning)
        if site is None:
            # Numbers are negative, because the sites of the table count from zero.
            site = Site(like.kind, -1 - len(self._made), None, -2, "", runs=spawning.runs, spawning=spawning)
            line = spawning.line
            site.function, site.path, site.line = line.function, line.path, line.line
            self._made[spawning] = site
        return site


def total_of(tallies: Sequence[Tally]) -> tuple[int, ...]:
    """Return the number of objects older than each age, summed over the sites."""
    if len(tallies) == 1:
        return tallies[0].older
    return tuple(map(sum, zip(*(tally.older for tally in tallies), strict=True)))


def callers_of(tallies: Sequence[Tally]) -> tuple[tuple[CodeLine, int], ...]:
    """Return creating lines with their live counts, highest first; a factory's line is replaced by its callers."""
    counted: Counter[CodeLine] = Counter()
    for tally in tallies:
        site = tally.site
        line = CodeLine(site.function, site.path, site.line)
        counted[site.caller if line == site.spawning.line and site.caller is not None else line] += tally.live
    return tuple(counted.most_common())


def accuse_spawners(groups: Iterable[Group], sites: Sequence[Site], orphans: Collection[Site]) -> None:
    """Set on each group of orphans the spawner whose callers all leak, if there is one.

    Args:
        groups: The groups of a scan.
        sites: All sites of one kind.
        orphans: The sites with orphans.
    """
    leaking: dict[CodeLine, set[tuple[str, str, int]]] = {}
    for site in orphans:
        for line in _spawners(site):
            leaking.setdefault(line, set()).add(_line(site))
    guilty = {line for line, callers in leaking.items() if len(callers) >= _CALLERS}
    if not guilty:
        return
    for site in sites:
        # A caller counts as leaking whichever of the functions that it starts there leaks.
        if site.via and site.created:
            guilty -= {line for line in guilty.intersection(_spawners(site)) if _line(site) not in leaking[line]}
    for group in groups:
        if group.verdict in {"orphaned", "unwakeable"}:
            # Among spawners with the same callers, the outermost is chosen: the others only serve it.
            found = [line for line in reversed(_spawners(group.site)) if line in guilty]
            group.guilty_spawner = max(found, key=lambda line: len(leaking[line]), default=None)


def _spawners(site: Site) -> list[CodeLine]:
    """Return the application's spawners on the way to a site's creating line, innermost first."""
    return [line for line in site.via if is_application_path(line.path)]


def _line(site: Site) -> tuple[str, str, int]:
    return site.function, site.path, site.line
