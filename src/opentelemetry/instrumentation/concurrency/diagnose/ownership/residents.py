"""Residents: tasks and threads that are meant to stay, distinguished from leaks.

Candidates are the tasks and threads that would be orphans: without an owner, and with a creator that ended longer ago
than the age limit. Each site has a level, the highest number of candidates so far. A rise lifts the level; all
candidates created within one ``RESIDENT_WINDOW`` belong to one rise. The candidates of a site are residents while

- there are at most ``RESIDENT_LIMIT`` of them, and
- the site has had fewer than `RISES` rises within `REMEMBERED_WINDOWS` windows.

A pool may therefore fill late, in one burst or a few, and a worker that replaces another does not lift the level. A
leak
recurs: it rises until it is reported. Other sites, and tasks with an owner, do not count. ``benchmarks/residents.py``
simulates thirty days of both; the constants follow from its table.

The successor of a worker is often started at another line: by its predecessor, a done callback or a supervisor. It
takes the place of its predecessor: the old objects at all sites that run the same function are residents while they are
no more than these sites had established in their first window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ...record.site import Site

Function = tuple[str, str]
"""The kind of a site and the qualified name of the function that it runs."""

RISES: Final = 4
"""Number of rises from which a site recurs."""
CONNECTION_RISES: Final = 10
"""The same for unused connections opened by this process, if there are more than ``RESIDENT_LIMIT``."""
REMEMBERED_WINDOWS: Final = 120
"""Windows after which a rise is dropped: two hours by default. The growth rule detects rarer recurrence."""

_MOST_BIRTHS: Final = 1_000


class Births(Sequence[float]):
    """Creation times of rows, read from the column on access.

    Args:
        created_at: The column of creation times.
        rows: The rows, in the order of the column.
    """

    def __init__(self, created_at: Sequence[float], rows: Sequence[int]) -> None:
        self._created_at = created_at
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return self._created_at[self._rows[place]]


class _Level:
    """The level of one site, and its latest rises."""

    __slots__ = ("base", "established", "last_rise_ends", "recurs", "rises")

    def __init__(self, rises: int) -> None:
        self.established = 0
        self.rises: deque[tuple[float, int]] = deque(maxlen=rises)
        self.last_rise_ends = float("-inf")
        self.recurs = False
        self.base = 0

    def observe(self, births: Sequence[float], window_s: float) -> None:
        """Raise the level to the number of candidates, and add a rise for each window with creations above the level.

        Args:
            births: Creation times of the candidates, approximately sorted, in seconds of the age clock.
            window_s: The setting ``RESIDENT_WINDOW``, in seconds.
        """
        if self.recurs and len(births) <= self.base:
            self.recurs = False
            self.rises.clear()
        # If there are very many new candidates, a sample is sufficient to find the windows.
        step = 1 + (len(births) - self.established) // _MOST_BIRTHS
        for place in range(self.established, len(births), max(1, step)):
            birth = births[place]
            if birth > self.last_rise_ends:
                self._rise(birth, place, window_s)
        self.established = max(self.established, len(births))

    def _rise(self, birth: float, level: int, window_s: float) -> None:
        self.last_rise_ends = birth + window_s
        self.rises.append((birth, level))
        first, base = self.rises[0]
        if len(self.rises) == self.rises.maxlen and birth - first <= REMEMBERED_WINDOWS * window_s and not self.recurs:
            self.recurs, self.base = True, base


class ResidentMemory:
    """The levels of all sites with candidates.

    Args:
        limit: Maximum number of residents per site; 0 disables the rule.
        window_s: Maximum duration of one rise, in seconds.
    """

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self._levels: dict[Site, _Level] = {}
        self._connections: dict[Site, _Level] = {}
        self._began: dict[Function, float] = {}
        self._sites: dict[Function, set[Site]] = {}
        self._established: dict[Function, int] = {}
        self._old: dict[Function, int] = {}

    def scan(self, site: Site, oldest_at: float) -> None:
        """Note that a site has live tasks or threads.

        Args:
            site: The site.
            oldest_at: Creation time of the oldest (seconds, age clock).
        """
        function: Function = site.kind, site.runs
        self._began[function] = min(oldest_at, self._began.get(function, oldest_at))
        self._sites.setdefault(function, set()).add(site)

    def judge_functions(self, old: Iterable[tuple[Site, int]], now: float, age: float) -> None:
        """Update the number of old objects per function, summed over its sites.

        Args:
            old: Sites of one kind with old objects, and their numbers.
            now: Seconds of the age clock.
            age: The age limit in seconds.
        """
        sums: dict[Function, int] = {}
        for site, count in old:
            function: Function = site.kind, site.runs
            sums[function] = sums.get(function, 0) + count
        self._old.update(sums)
        for function, count in sums.items():
            # Up to this time, all old objects were created in the first window.
            if now - self._began.get(function, now) <= self.window_s + age:
                self._established[function] = max(count, self._established.get(function, 0))

    def observe(self, site: Site, births: Sequence[float]) -> None:
        """Add the candidates found at a site by a scan.

        Args:
            site: The site.
            births: Their creation times, approximately sorted, in seconds of the age clock.

        Cost: a microsecond per new candidate, up to `_MOST_BIRTHS`.
        """
        self._observe(self._levels, site, births, RISES)

    def recur_as_connections(self, site: Site, births: Sequence[float]) -> bool:
        """Add the candidates of a site that belong to unused connections, and return whether these have leaked.

        Args:
            site: The site.
            births: Their creation times, approximately sorted, in seconds of the age clock.
        """
        if not births and site not in self._connections:
            return False
        level = self._observe(self._connections, site, births, CONNECTION_RISES)
        return level.recurs and len(births) > self.limit

    def _observe(self, levels: dict[Site, _Level], site: Site, births: Sequence[float], rises: int) -> _Level:
        level = levels.get(site)
        if level is None:
            level = levels[site] = _Level(rises)
        level.observe(births, self.window_s)
        return level

    def are_residents(self, site: Site, candidates: int, old: int) -> bool:
        """Return whether the candidates of a site are residents.

        Args:
            site: The site.
            candidates: Its number of candidates.
            old: Its number of live objects older than the age limit, candidates or not.
        """
        if candidates > self.limit or not self.limit:
            return False
        level = self._levels.get(site)
        return level is None or not level.recurs or self._replaces(site, old)

    def would_be_residents(self, site: Site, births: Sequence[float], rises: int = RISES) -> bool:
        """Return whether tasks or threads would be residents if all of them were candidates now.

        Used between scans and at exit; does not change the levels.

        Args:
            site: The site.
            births: Their creation times, in seconds of the age clock.
            rises: Number of rises from which a site recurs.
        """
        level = self._levels.get(site)
        if len(births) > self.limit or not self.limit:
            return False
        if level is not None and level.recurs:
            return self._replaces(site, len(births))
        seen, ends = 0, float("-inf")
        for birth in sorted(births):
            if birth > ends:
                seen, ends = seen + 1, birth + self.window_s
        return seen < rises or len(births) <= (0 if level is None else level.established)

    def filled_once(self, births: Sequence[float], now: float) -> bool:
        """Return whether tasks came in one rise, and none in the window since, like workers started by ``main``.

        Args:
            births: Their creation times, in seconds of the age clock.
            now: Seconds of the age clock.
        """
        first, last = min(births), max(births)
        return bool(self.limit) and last - first <= self.window_s <= now - last

    def _replaces(self, site: Site, old: int) -> bool:
        """Return whether the old objects of a site replace others that ran the same function."""
        function: Function = site.kind, site.runs
        if not site.runs or len(self._sites.get(function, ())) < 2:
            return False
        established = self._established.get(function, 0)
        return old <= established and self._old.get(function, 0) <= established
