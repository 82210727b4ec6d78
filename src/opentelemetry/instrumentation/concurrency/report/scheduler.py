"""The schedule of reports: when a group is reported first, again, and as resolved.

A group is reported when it has settled, again after a while, and once more when it is resolved. It has settled when its
count is the same in two consecutive scans and the proof has decided about it. A leak that never stops growing is
reported after `SETTLE_S` at the latest. A burst of a thousand leaks is therefore one report of a thousand rather than
of the first six, and proven tasks are not first reported with a weaker verdict.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from ..diagnose.verdict.group import Group

SETTLE_S: Final = 10.0
"""Maximum number of seconds that a growing group waits for its first report; at least the age limit."""


@dataclass(slots=True)
class _ReportState:
    first_at: float
    count: int = 0
    reported_at: float | None = None
    repeat_after: float = 0.0
    open: bool = False
    limit_counted: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """The reports due after a scan.

    Attributes:
        reports: Keys and groups to report now.
        resolved: Keys of reported groups that no longer exist.
        newly_limited: Number of groups that the limit has held back for the first time.
    """

    reports: list[tuple[Hashable, Group]]
    resolved: list[Hashable]
    newly_limited: int


class ReportScheduler:
    """Stores when each group was reported.

    Args:
        limit: Maximum number of reports per scan.
        repeat_s: Seconds until the same group is reported again; doubles each time, also across ``resolved``.
        settle_s: Maximum number of seconds that a growing group waits for its first report.
    """

    def __init__(self, *, limit: int, repeat_s: float, settle_s: float) -> None:
        self._limit = limit
        self._repeat_s = repeat_s
        self._settle_s = max(settle_s, SETTLE_S)
        self._states: dict[Hashable, _ReportState] = {}

    def scan(self, groups: Iterable[tuple[Hashable, Group]], now: float, *, final: bool = False) -> Due:
        """Return the reports due after a scan.

        Args:
            groups: All groups of the scan, each with a key that is the same at every scan.
            now: Seconds of the age clock.
            final: Whether this is the last scan, so that waiting reports are due as well.
        """
        present = dict(groups)
        due = [(key, group) for key, group in present.items() if self._is_due(key, group, now, final=final)]
        due.sort(key=lambda item: -item[1].count)
        reports, held_back = due[: self._limit], due[self._limit :]
        for key, _ in reports:
            self._mark_reported(self._states[key], now)
        newly_limited = 0
        for key, _ in held_back:
            newly_limited += not self._states[key].limit_counted
            self._states[key].limit_counted = True
        resolved = [key for key, state in self._states.items() if state.open and key not in present]
        for key in resolved:
            self._states[key].open = False
        for key in [key for key, state in self._states.items() if key not in present and state.reported_at is None]:
            del self._states[key]
        return Due(reports, resolved, newly_limited)

    def not_made(self, key: Hashable) -> None:
        """Note that a due report could not be created and remains due."""
        state = self._states[key]
        state.reported_at, state.open = None, False

    def _is_due(self, key: Hashable, group: Group, now: float, *, final: bool) -> bool:
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _ReportState(first_at=now)
        waited = now - state.first_at >= self._settle_s
        settled = group.is_complete or group.count == state.count
        settled = final or waited or (settled and not group.awaits_proof)
        state.count = group.count
        if state.reported_at is None:
            return settled
        return settled and now - state.reported_at >= state.repeat_after

    def _mark_reported(self, state: _ReportState, now: float) -> None:
        state.repeat_after = state.repeat_after * 2 if state.reported_at is not None else self._repeat_s
        state.reported_at = now
        state.open = True
        state.limit_counted = False
