"""Which sites grow: more and more of their tasks or threads get old, and none of the old ones end.

Looked at is not how many are live, which follows the load, but how many are older than a window, by the minimum over
the window's scans; with windows of 1, 10 and 60 times ``GROWTH_WINDOW``, because a leak of one a second and one of two
an hour do not show on one scale. A site is suspected on a scale when all of this holds:

* the minimum has not fallen for at least ``GROWTH_SCANS`` windows in a row;
* it rose in them by ``GROWTH_MIN`` and by three standard deviations of a Poisson count (on the longest scale a rise of
  8 is enough: hours without a fall are evidence of their own);
* it still rises: a server that clients have filled and whose connections then stay open does not;
* nearly all that were old ``GROWTH_SCANS`` windows ago still live, and there were enough of them to tell. A start, a
  ramp-up, a day curve and a burst renew their tasks while they rise; a leak does not;
* it is higher, by the same rise, than it ever was in the last week: connections that fill up every morning and a
  tooth of a saw do not come as news twice.

The plain rule, "rose in each of five windows", gives one false alarm a busy site and day on flat load, and never sees
slow leaks. ``benchmarks/growth.py`` simulates thirty days of both.

A suspicion stands until the minimum has given back half of the rise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, Generic, TypeVar

SCALES: Final = (1, 10, 60)
"""Lengths of the windows, as multiples of ``GROWTH_WINDOW``."""
_SLOW_RISE: Final = 8
_STILL_ALIVE: Final = 0.9
_DAY_S: Final = 86_400.0
_DAYS_REMEMBERED: Final = 8

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Growth(Generic[S]):
    """A site that grows, with the evidence.

    Attributes:
        site: The site.
        since: When it was first suspected, in seconds of the age clock.
        window_s: Length of the windows that show it, in seconds; of the longest, if several do.
        windows: In how many windows in a row the minimum has not fallen.
        first: How many were older than a window at the beginning of them.
        last: How many are now.
    """

    site: S
    since: float
    window_s: float
    windows: int
    first: int
    last: int


class _Scale:
    """One site on one scale."""

    __slots__ = ("ends_at", "first", "last", "length", "lowest", "peaks", "since", "steps", "suspected_first")

    def __init__(self, now: float, window_s: float, scans: int, first: int) -> None:
        self.ends_at = now + window_s
        self.lowest = first
        # Before it was met there were none.
        self.steps: deque[int] = deque((0,), scans + 1)
        self.first = self.last = 0
        self.length = 0
        self.peaks: deque[tuple[int, int]] = deque(maxlen=_DAYS_REMEMBERED)
        self.since: float | None = None
        self.suspected_first = 0

    def step(self, now: float, window_s: float, *, restart: bool) -> None:
        """Close a window with the minimum seen in it."""
        lowest = self.lowest
        if restart or lowest < self.last:
            self._remember_peak(now, self.last)
            self.first, self.length = lowest, 0
            if restart:
                self.steps.clear()
        else:
            self.length += 1
        self.last = lowest
        self.steps.append(lowest)
        self.ends_at = now + window_s

    def still_rises(self) -> bool:
        """Tell whether the last windows rose at least half as fast as all since the last fall, to their very end."""
        recent = self.last - self.steps[0]
        windows = len(self.steps) - 1
        if recent <= 0 or 2 * recent * self.length < (self.last - self.first) * windows:
            return False
        return 4 * (self.last - self.steps[(windows + 1) // 2]) >= recent

    def highest_before(self) -> int:
        """Return the highest minimum of the last week before the present rise."""
        return max((peak for _, peak in self.peaks), default=0)

    def _remember_peak(self, now: float, peak: int) -> None:
        day = int(now // _DAY_S)
        if self.peaks and self.peaks[-1][0] == day:
            self.peaks[-1] = (day, max(peak, self.peaks[-1][1]))
        elif peak:
            self.peaks.append((day, peak))
        while self.peaks and self.peaks[0][0] < day - _DAYS_REMEMBERED + 1:
            self.peaks.popleft()


class GrowthWatch(Generic[S]):
    """Remembers the windows of every site that has old ones.

    Args:
        window_s: The setting ``GROWTH_WINDOW``, in seconds.
        scans: ``GROWTH_SCANS``.
        minimum: ``GROWTH_MIN``.

    Cost: about 2 µs a scan and site with old ones; a kilobyte a site.
    """

    def __init__(self, *, window_s: float, scans: int, minimum: int) -> None:
        self._scans = scans
        self._minimum = minimum
        self._lengths = tuple(scale * window_s for scale in SCALES)
        self._sites: dict[S, tuple[_Scale, ...]] = {}
        self._restart = False
        self.ages_s = tuple(age for length in self._lengths for age in (length, (scans + 2) * length))
        """The ages in seconds that `look` needs the counts of: for each scale a window, and how old those of the first
        of all windows are by now."""

    def gap(self) -> None:
        """Begin all windows anew: the process could not run, so that counts before and after do not compare."""
        self._restart = True

    def look(self, now: float, older: Mapping[S, Sequence[int]]) -> list[Growth[S]]:
        """Take the counts of a scan and return the sites that are suspected now.

        Args:
            now: Seconds of the age clock.
            older: By site, how many of its live ones are older than each of `ages_s`. Sites without old ones may be
                left out.
        """
        found = []
        restart, self._restart = self._restart, False
        for site, counts in older.items():
            if counts[0] and site not in self._sites:
                self._sites[site] = tuple(
                    _Scale(now, length, self._scans, counts[2 * place]) for place, length in enumerate(self._lengths)
                )
        nothing = (0,) * len(self.ages_s)
        for site, scales in list(self._sites.items()):
            counts = older.get(site, nothing)
            grown = self._look_at(site, scales, counts, now, restart=restart)
            if grown is not None:
                found.append(grown)
            elif not counts[0] and all(not scale.last and not scale.peaks and not scale.lowest for scale in scales):
                del self._sites[site]
        return found

    def _look_at(
        self, site: S, scales: tuple[_Scale, ...], counts: Sequence[int], now: float, *, restart: bool
    ) -> Growth[S] | None:
        shown = None
        for place, scale in enumerate(scales):
            old, still_alive = counts[2 * place], counts[2 * place + 1]
            length = self._lengths[place]
            if old < scale.lowest:
                scale.lowest = old
            if now >= scale.ends_at or restart:
                scale.step(now, length, restart=restart)
                self._judge(scale, still_alive, now, slow=place == len(scales) - 1)
                scale.lowest = old
            if scale.since is not None:
                shown = Growth(site, scale.since, length, scale.length, scale.suspected_first, scale.last)
        return shown

    def _judge(self, scale: _Scale, still_alive: int, now: float, *, slow: bool) -> None:
        if scale.since is not None:
            given_back = scale.last < (scale.suspected_first + max(scale.highest_before(), scale.last)) / 2
            fell = scale.last < scale.suspected_first + self._needed(scale.suspected_first, slow=slow) / 2
            if given_back or fell:
                scale.since = None
            return
        rise = scale.last - scale.first
        if (
            scale.length >= self._scans
            and rise >= self._needed(scale.last, slow=slow)
            and scale.still_rises()
            and scale.steps[0] >= self._needed(0, slow=slow) / 2
            and still_alive >= _STILL_ALIVE * scale.steps[0]
            and scale.last >= scale.highest_before() + self._needed(scale.highest_before(), slow=slow, noisy=True)
        ):
            scale.since = now
            scale.suspected_first = scale.first

    def _needed(self, count: int, *, slow: bool, noisy: bool = False) -> float:
        if slow and not noisy:
            return _SLOW_RISE
        return max(_SLOW_RISE if slow else self._minimum, 3 * sqrt(count))


def growth_clause(growth: Growth[S], noun: str) -> str:
    """Return the evidence as a clause for people.

    Args:
        growth: What was found.
        noun: ``task`` or ``thread``.
    """
    span = growth.windows * growth.window_s
    return (
        f"the {noun}s older than {_duration(growth.window_s)} rose from {growth.first} to {growth.last} "
        f"in {_duration(span)} and never fell, and nearly all of the old ones still live"
    )


def _duration(seconds: float) -> str:
    for length, name in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= 2 * length or (seconds >= length and seconds % length == 0):
            number = int(seconds // length)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return f"{seconds:.1f} seconds"
