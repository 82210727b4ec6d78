"""Which sites have metric series of their own, and what each series says.

A site gets its own series once something of it has survived a scan, while there is room; a quarter of the room is kept
for sites with orphans or suspected of growing. All others are summed in one series named ``_OTHER``. A site keeps its
series for the life of the process, no counter ever falls, and what ``_OTHER`` has exported it does not give back. The
sum over all series is the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from ..census.census import Look, Tally
from ..diagnose.diagnosis import Diagnosed
from ..record.naming import relative_path
from ..record.site import Kind, Site
from .attributes import CODE_FILE_PATH, CODE_FUNCTION_NAME, CODE_LINE_NUMBER, Attributes

OTHER: Final = "_OTHER"
Counter = Literal["created", "destroyed", "unretrieved"]
COUNTERS: Final[tuple[Counter, ...]] = ("created", "destroyed", "unretrieved")
SeriesKey = tuple[str, str, int]
Granularity = Literal["line", "function"]


@dataclass(slots=True)
class KindValues:
    """What one series says about tasks, or about threads. Counters hold what this series has counted itself."""

    live: int = 0
    daemons: int = 0
    oldest_at: float | None = None
    orphaned: int = 0
    unwakeable: int = 0
    counters: dict[Counter, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))


@dataclass(slots=True)
class Series:
    """One series: its attributes and its values by kind. A kind that never occurred there is absent."""

    attributes: Attributes
    kinds: dict[Kind, KindValues] = field(default_factory=dict)

    def of(self, kind: Kind) -> KindValues:
        """Return the values of a kind, entering it."""
        return self.kinds.setdefault(kind, KindValues())


@dataclass(slots=True)
class Publication:
    """All series as of one scan. ``was_read`` is set by the first reader."""

    series: tuple[Series, ...]
    sites_known: int
    sites_overflowing: int
    suspects: dict[Kind, int] = field(default_factory=lambda: {"task": 0, "thread": 0})
    was_read: bool = False


class SeriesBook:
    """Decides membership and adds up the values after each scan.

    Args:
        max_sites: Sites with series of their own.
        granularity: ``function`` leaves the line number out, so that lines of one function share a series.
        totals_only: One series without attributes for everything.
    """

    def __init__(self, *, max_sites: int, granularity: Granularity, totals_only: bool) -> None:
        self._max_sites = max_sites
        self._open_room = max_sites - max_sites // 4
        self._granularity = granularity
        self._totals_only = totals_only
        self._members: set[SeriesKey] = set()
        self._overflowing: set[SeriesKey] = set()
        # What _OTHER had counted of a site when it was last read; such a site starts its own series from there.
        self._given: dict[Site, dict[Counter, int]] = {}
        self._folded: dict[Site, dict[Counter, int]] = {}
        self.publication = Publication((self._other(),), 0, 0)

    def publish(self, look: Look, diagnosed: Diagnosed, sites: Iterable[Site]) -> Publication:
        """Add up the series after a scan and make them the publication that readers get.

        Args:
            look: The scan.
            diagnosed: What was found in it.
            sites: Every site known.
        """
        if self.publication.was_read:
            self._given.update(self._folded)
        tallies = {tally.site: tally for tally in (*look.tasks, *look.threads)}
        if not self._totals_only:
            self._admit(tallies, diagnosed)
        other = self._other()
        series: dict[SeriesKey, Series] = {}
        self._folded = {}
        known = 0
        for site in sites:
            known += 1
            key = self._key(site)
            if key in self._members:
                own = series.get(key)
                if own is None:
                    own = series[key] = Series(self._attributes(key))
                self._add(own.of(site.kind), site, tallies.get(site), diagnosed, self._given.get(site))
            else:
                counted = {name: int(getattr(site, name)) for name in COUNTERS}
                self._folded[site] = counted
                self._add(other.of(site.kind), site, tallies.get(site), diagnosed, None)
        for site, given in self._given.items():
            if self._key(site) in self._members:
                for name in COUNTERS:
                    other.of(site.kind).counters[name] += given[name]
        suspects: dict[Kind, int] = {"task": 0, "thread": 0}
        for site in diagnosed.suspects:
            suspects[site.kind] += 1
        self.publication = Publication((*series.values(), other), known, len(self._overflowing), suspects)
        return self.publication

    def _admit(self, tallies: dict[Site, Tally], diagnosed: Diagnosed) -> None:
        accused = diagnosed.suspects | diagnosed.orphans.keys()
        for site in sorted(tallies, key=lambda site: (site not in accused, -tallies[site].live)):
            key = self._key(site)
            if key in self._members:
                continue
            room = self._max_sites if site in accused else self._open_room
            if len(self._members) < room:
                self._members.add(key)
                self._overflowing.discard(key)
            else:
                self._overflowing.add(key)

    def _add(
        self,
        values: KindValues,
        site: Site,
        tally: Tally | None,
        diagnosed: Diagnosed,
        given: dict[Counter, int] | None,
    ) -> None:
        for name in COUNTERS:
            values.counters[name] += getattr(site, name) - (given[name] if given else 0)
        verdicts = diagnosed.orphans.get(site)
        if verdicts is not None:
            values.orphaned += verdicts.orphaned
            values.unwakeable += verdicts.unwakeable
        if tally is not None:
            values.live += tally.live
            values.daemons += tally.daemons
            oldest = values.oldest_at
            values.oldest_at = tally.oldest_at if oldest is None else min(oldest, tally.oldest_at)

    def _key(self, site: Site) -> SeriesKey:
        return (site.function, site.path, site.line if self._granularity == "line" else 0)

    def _attributes(self, key: SeriesKey) -> Attributes:
        function, path, line = key
        attributes: Attributes = {CODE_FUNCTION_NAME: function}
        if path:
            attributes[CODE_FILE_PATH] = relative_path(path)
        if line:
            attributes[CODE_LINE_NUMBER] = line
        return attributes

    def _other(self) -> Series:
        other = Series({} if self._totals_only else {CODE_FUNCTION_NAME: OTHER})
        other.of("task")
        other.of("thread")
        return other


def series_of(publication: Publication, kind: Kind) -> Iterator[tuple[Attributes, KindValues]]:
    """Yield attributes and values of every series that has ever had something of ``kind``."""
    for series in publication.series:
        values = series.kinds.get(kind)
        if values is not None:
            yield series.attributes, values
