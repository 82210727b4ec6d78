"""The growth rule: sites whose number of old tasks or threads keeps rising.

The rule does not use the number of live objects, which follows the load, but the number of those older than a window,
by its minimum over the window's scans. Windows have 1, 10 and 60 times the length ``GROWTH_WINDOW``, because a leak of
one per second and a leak of two per hour are not visible on the same scale. A site is suspected on a scale if all of
these conditions hold:

* The minimum has not fallen for at least ``GROWTH_SCANS`` consecutive windows.
* In these windows, it rose by ``GROWTH_MIN`` and by three standard deviations of a Poisson count. On the longest scale
  a rise of 8 is enough: hours without a fall are evidence in themselves.
* It rose in at least four of these windows. A pool that fills in a few bursts, hours apart, and then stays is not a
  leak.
* It is still rising. A server whose clients have connected and stay connected is not.
* Nearly all objects that were old ``GROWTH_SCANS`` windows ago are still live, and there were enough of them to be
  significant. During a start, a ramp-up, a daily curve or a burst, tasks are replaced while their number rises; in a
  leak they are not.
* It exceeds its maximum of the last week by the same rise. Connections that fill up every morning, and sawtooth
  patterns, are therefore not reported twice.

The plain rule, "rose in each of five windows", gives one false alarm per busy site and day on flat load, and never
detects slow leaks. ``benchmarks/growth.py`` simulates thirty days of both.

A suspicion lasts at least ``GROWTH_SCANS`` windows. It ends when the minimum has lost half of the rise, or has not
risen for as long as it rose before. In the second case the tasks remain, but the site no longer grows; a further rise
is measured from that level.
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
_LEAST_RISES: Final = 4
_STILL_ALIVE: Final = 0.9
_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_DAYS_REMEMBERED: Final = 8

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Growth(Generic[S]):
    """A growing site, with the evidence.

    Attributes:
        site: The site.
        since: When it was first suspected, in seconds of the age clock.
        window_s: Length in seconds of the windows that show the growth; of the longest, if several scales do.
        windows: Number of windows from the beginning of the rise to the last one in which the minimum rose.
        first: Number of objects older than a window at the beginning of the rise.
        last: Number of objects older than a window when the minimum last rose.
    """

    site: S
    since: float
    window_s: float
    windows: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast the number of old tasks or threads of a site rises.

    Attributes:
        per_hour: The rise per hour; 0 if the number did not rise.
        over_s: Seconds over which it was measured.
    """

    per_hour: float
    over_s: float


class _Scale:
    """The state of one site on one scale."""

    __slots__ = (
        "after_rise",
        "ends_at",
        "first",
        "idle",
        "last",
        "length",
        "lowest",
        "peaks",
        "rise",
        "rises",
        "rose_in",
        "since",
        "steps",
    )

    def __init__(self, now: float, window_s: float, scans: int, first: int) -> None:
        self.ends_at = now + window_s
        self.lowest = first
        # Before the site was first seen, the count was zero.
        self.steps: deque[int] = deque((0,), scans + 1)
        self.first = self.last = 0
        # Consecutive windows without a fall, those among them that rose, and windows since the minimum last rose.
        self.length = self.rises = self.idle = 0
        # For each of the latest units of the rise, the number of the window, counted from the start of the climb.
        self.rose_in: deque[int] = deque(maxlen=_SLOW_RISE)
        self.peaks: deque[tuple[int, int]] = deque(maxlen=_DAYS_REMEMBERED)
        self.since: float | None = None
        # The suspected rise (from, to, number of windows), and the windows since its end.
        self.rise, self.after_rise = (0, 0, 0), 0

    def step(self, now: float, window_s: float, *, restart: bool) -> None:
        """Close a window with its minimum."""
        lowest = self.lowest
        if restart or lowest < self.last:
            self._remember_peak(now, self.last)
            self._climb_from(lowest)
            if restart:
                self.steps.clear()
        else:
            self.length += 1
            self.rises += lowest > self.last
            self.rose_in.extend([self.length] * min(lowest - self.last, _SLOW_RISE))
        self.idle = 0 if lowest > self.last else self.idle + 1
        self.last = lowest
        self.after_rise += 1
        first, highest, windows = self.rise
        if lowest > highest:
            self.rise, self.after_rise = (first, lowest, windows + self.after_rise), 0
        self.steps.append(lowest)
        self.ends_at = now + window_s

    def still_rises(self) -> bool:
        """Return whether the last windows rose to their end, at least half as fast as the whole rise so far."""
        recent = self.last - self.steps[0]
        windows = len(self.steps) - 1
        if recent <= 0 or 2 * recent * self.length < (self.last - self.first) * windows:
            return False
        return 4 * (self.last - self.steps[(windows + 1) // 2]) >= recent

    def begin_anew(self, now: float) -> None:
        """Measure further rises from the current count."""
        self._remember_peak(now, self.last)
        self._climb_from(self.last)
        self.since = None

    def rises_often(self) -> bool:
        """Return whether the latest `_SLOW_RISE` units of the rise came within twice as many windows."""
        return len(self.rose_in) == _SLOW_RISE and self.length - self.rose_in[0] <= 2 * _SLOW_RISE

    def _climb_from(self, first: int) -> None:
        self.first, self.length, self.rises = first, 0, 0
        self.rose_in.clear()

    def highest_before(self) -> int:
        """Return the highest minimum of the last week before the current rise."""
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
    """Tracks the windows of every site with old tasks or threads.

    Args:
        window_s: The setting ``GROWTH_WINDOW``, in seconds.
        scans: The setting ``GROWTH_SCANS``.
        minimum: The setting ``GROWTH_MIN``.

    Cost: about 2 µs per scan and site with old objects; a kilobyte per site.
    """

    def __init__(self, *, window_s: float, scans: int, minimum: int) -> None:
        self._scans = scans
        self._minimum = minimum
        self._lengths = tuple(scale * window_s for scale in SCALES)
        self._sites: dict[S, tuple[_Scale, ...]] = {}
        self._restart = False
        self.ages_s = tuple(age for length in self._lengths for age in (length, (scans + 2) * length))
        """The ages in seconds for which `scan` needs counts. For each scale: one window, and the current age of objects
        that were older than a window at the end of the first of the compared windows."""

    def gap(self) -> None:
        """Restart all windows: the process could not run, so counts before and after are not comparable."""
        self._restart = True

    def rise(self, site: S, window_s: float) -> int:
        """Return the rise of a site since it last fell, measured in windows of this length."""
        scales = self._sites.get(site)
        if scales is None or window_s not in self._lengths:
            return 0
        scale = scales[self._lengths.index(window_s)]
        return scale.last - scale.first

    def rate(self, site: S) -> Rate | None:
        """Return the current rate of a site; None before there are enough windows.

        It is measured over the last ``GROWTH_SCANS`` windows of the shortest scale on which the site rose by
        `_SLOW_RISE`, so that the number is not chance; if there is none, of the longest scale with so many windows. A
        longer scale whose rise the shorter one should have seen, and did not, is ignored: the leak has ended since.
        """
        found: Rate | None = None
        seen = 0
        for scale, length in zip(self._sites.get(site, ()), self._lengths, strict=False):
            if len(scale.steps) <= self._scans:
                break
            rise, span = max(0, scale.steps[-1] - scale.steps[0]), self._scans * length
            if found is not None:
                expected = rise * found.over_s / span
                if expected >= _SLOW_RISE and 2 * seen < expected:
                    break
            found, seen = Rate(rise * _HOUR_S / span, span), rise
            if rise >= _SLOW_RISE:
                break
        return found

    def scan(self, now: float, older: Mapping[S, Sequence[int]]) -> list[Growth[S]]:
        """Add the counts of a scan and return the sites that are now suspected.

        Args:
            now: Seconds of the age clock.
            older: By site, the number of live objects older than each of `ages_s`. Sites without old objects may be
                omitted.
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
            grown = self._judge_site(site, scales, counts, now, restart=restart)
            if grown is not None:
                found.append(grown)
            elif not counts[0] and all(not scale.last and not scale.peaks and not scale.lowest for scale in scales):
                del self._sites[site]
        return found

    def _judge_site(
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
                first, last, windows = scale.rise
                shown = Growth(site, scale.since, length, windows, first, last)
        return shown

    def _judge(self, scale: _Scale, still_alive: int, now: float, *, slow: bool) -> None:
        if scale.since is not None:
            first, _, windows = scale.rise
            given_back = scale.last < (first + max(scale.highest_before(), scale.last)) / 2
            fell = scale.last < first + self._needed(first, slow=slow) / 2
            if given_back or fell:
                scale.since = None
            elif scale.idle >= max(self._scans, windows):
                scale.begin_anew(now)
            return
        rise = scale.last - scale.first
        if (
            scale.length >= self._scans
            and scale.rises >= _LEAST_RISES
            and (not slow or scale.rises_often())
            and rise >= self._needed(scale.last, slow=slow)
            and scale.still_rises()
            and scale.steps[0] >= self._needed(0, slow=slow) / 2
            and still_alive >= _STILL_ALIVE * scale.steps[0]
            and scale.last >= scale.highest_before() + self._needed(scale.highest_before(), slow=slow, noisy=True)
        ):
            scale.since = now
            scale.rise, scale.after_rise = (scale.first, scale.last, scale.length), 0

    def _needed(self, count: int, *, slow: bool, noisy: bool = False) -> float:
        if slow and not noisy:
            return _SLOW_RISE
        return max(_SLOW_RISE if slow else self._minimum, 3 * sqrt(count))


def growth_clause(growth: Growth[S], noun: str) -> str:
    """Return the evidence as a clause.

    Args:
        growth: The growth.
        noun: ``task`` or ``thread``.
    """
    span = growth.windows * growth.window_s
    return (
        f"the {noun}s older than {_duration(growth.window_s)} rose from {growth.first} to {growth.last} "
        f"in {_duration(span)} and never fell, and nearly all of the old ones are still live"
    )


def _duration(seconds: float) -> str:
    for length, name in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= 2 * length or (seconds >= length and seconds % length == 0):
            number = int(seconds // length)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return f"{seconds:.1f} seconds"
