"""Metric series by function: asynchronous generators left half way, and coroutines that were never awaited.

Neither leaves a live task, so neither has a site with a series. Invariants:

- A function has a series from its first occurrence on, for the life of the process, and counters never decrease.
- At most `MAX_FUNCTIONS` functions per metric have one, and at most ``max_sites``. All others are summed in ``_OTHER``,
  which exists from the first of them on. The sum over all series is the total.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Final, Literal

from ..record.generators import unfinished_generators
from ..record.naming import CodeLine, relative_path
from ..record.recorder import Recorder
from .attributes import CODE_FILE_PATH, CODE_FUNCTION_NAME, CODE_LINE_NUMBER, Attributes
from .series import OTHER, Granularity

MAX_FUNCTIONS: Final = 50
"""Maximum number of functions with series of their own, per metric."""

FunctionCounter = Literal["unfinished", "unawaited"]


@dataclass(frozen=True, slots=True)
class FunctionSeries:
    """A series with its value."""

    attributes: Attributes
    count: int


class FunctionAllocator:
    """Allocates series to functions. May be used by several threads.

    Args:
        max_sites: Maximum number of series per metric, if less than `MAX_FUNCTIONS`.
        granularity: ``function`` omits the line number.
        totals_only: Whether there is only one series per metric, without attributes.
    """

    def __init__(self, *, max_sites: int, granularity: Granularity, totals_only: bool) -> None:
        self._room = min(max_sites, MAX_FUNCTIONS)
        self._by_line = granularity == "line"
        self._totals_only = totals_only
        # Series never end, so a function that found no room stays in _OTHER.
        self._own: dict[FunctionCounter, set[CodeLine]] = {"unfinished": set(), "unawaited": set()}
        self._lock = RLock()

    def unfinished(self, recorder: Recorder) -> list[FunctionSeries]:
        """Return the generators that were left half way. Cost: 50 ns per known site of tasks."""
        return self._series("unfinished", unfinished_generators(recorder.task_sites.sites), 0)

    def unawaited(self, recorder: Recorder) -> list[FunctionSeries]:
        """Return the coroutines that were never awaited; empty unless `COUNT_UNAWAITED` is on.

        Cost: a microsecond per pair of function and line.
        """
        unawaited = recorder.unawaited
        if unawaited is None:
            return []
        counts = {function: found.count for function, found in unawaited.by_function().items()}
        return self._series("unawaited", counts, unawaited.others)

    def _series(self, counter: FunctionCounter, counts: Mapping[CodeLine, int], others: int) -> list[FunctionSeries]:
        """Return the series with their values.

        Args:
            counter: The counter.
            counts: The counts of all functions.
            others: The count of functions that are not known by name.
        """
        if self._totals_only:
            total = sum(counts.values()) + others
            return [FunctionSeries({}, total)] if total else []
        by_key: Counter[CodeLine] = Counter()
        for function, count in counts.items():
            by_key[self._key(function)] += count
        made = []
        with self._lock:
            own = self._own[counter]
            for key, count in by_key.most_common():
                if key not in own and len(own) < self._room:
                    own.add(key)
                if key in own:
                    made.append(FunctionSeries(_attributes(key), count))
                else:
                    others += count
        if others:
            made.append(FunctionSeries({CODE_FUNCTION_NAME: OTHER}, others))
        return made

    def _key(self, function: CodeLine) -> CodeLine:
        # The path as exported, because two absolute paths may have the same relative path.
        path = relative_path(function.path) if function.path else ""
        return CodeLine(function.function, path, function.line if self._by_line else 0)


def _attributes(key: CodeLine) -> Attributes:
    attributes: Attributes = {CODE_FUNCTION_NAME: key.function}
    if key.path:
        attributes[CODE_FILE_PATH] = key.path
    if key.line:
        attributes[CODE_LINE_NUMBER] = key.line
    return attributes
