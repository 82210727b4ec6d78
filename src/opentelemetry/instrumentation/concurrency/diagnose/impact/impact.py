"""The impact of leaks: measured when a group is new or has grown, and at every ``PROOF_INTERVAL``.

The measurements share the CPU time of the proof. Between two of them, the memory of a group is that of its tasks on
average, times their number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final
from weakref import ReferenceType

from ...census.scan import Scan
from ...record.interpreter import FREE_THREADED_BUILD
from ...record.site import Site
from ..proof.closure import Cut
from ..proof.schedule import ProofSchedule
from ..verdict.group import Group
from ..verdict.impact import Impact
from .memory import measure_memory

_GROWN: Final = 1.25
_MOST_AT_ONCE: Final = 50


@dataclass(slots=True)
class _Measured:
    impact: Impact
    at: float
    count: int


class ImpactWatch:
    """Measures the impact of groups of leaked tasks and keeps it until the next measurement.

    Args:
        interval_s: Seconds between two measurements of a group that does not grow; 0 for measurements on request only.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._known: dict[tuple[Site, str], _Measured] = {}

    def scan(
        self,
        groups: Iterable[Group],
        scan: Scan,
        loops: Iterable[Any],
        proofs: ProofSchedule,
        pause: Callable[[], None],
    ) -> None:
        """Measure the groups that are due, as far as there is CPU time, and set ``impact`` of all.

        Args:
            groups: The groups of the scan; the others are forgotten.
            scan: The scan.
            loops: The event loops of the process.
            proofs: Provides the CPU time.
            pause: Lets the application run.
        """
        measurable = _largest(groups)
        keys = {(group.site, group.verdict) for group in measurable}
        self._known = {key: known for key, known in self._known.items() if key in keys}
        if self._interval_s and not scan.final:
            due = [group for group in measurable if self._is_due(group, scan.at)]
            cut = Cut(loops) if due else None
            for group in due:
                if cut is None or not proofs.can_afford(scan.at):
                    break
                began = time.thread_time()
                self._measure(group, cut, scan.at, pause)
                proofs.spent_s += time.thread_time() - began
        for group in measurable:
            self._set(group)

    def measure_now(self, groups: Iterable[Group], now: float, loops: Iterable[Any], pause: Callable[[], None]) -> None:
        """Measure groups on request, whatever it costs. The caller holds the census' lock.

        Cost: a second per group at most.
        """
        measurable = _largest(groups)[:_MOST_AT_ONCE]
        cut = Cut(loops) if measurable else None
        for group in measurable:
            if cut is not None:
                self._measure(group, cut, now, pause)
                self._set(group)

    def _is_due(self, group: Group, now: float) -> bool:
        known = self._known.get((group.site, group.verdict))
        return known is None or group.count >= _GROWN * known.count or now - known.at >= self._interval_s

    def _measure(self, group: Group, cut: Cut, now: float, pause: Callable[[], None]) -> None:
        if FREE_THREADED_BUILD:
            return
        references = _references(group)
        memory = measure_memory(references, group.count, cut, pause)
        if memory is not None:
            self._known[group.site, group.verdict] = _Measured(Impact(memory), now, group.count)

    def _set(self, group: Group) -> None:
        known = self._known.get((group.site, group.verdict))
        if known is not None:
            memory = known.impact.memory
            group.impact = replace(known.impact, memory=None if memory is None else memory.of_tasks(group.count))


def _largest(groups: Iterable[Group]) -> list[Group]:
    """Return the groups of tasks that can be measured, largest first."""
    found = [
        group
        for group in groups
        if group.site.kind == "task" and group.members is not None and group.members.are_current()
    ]
    return sorted(found, key=lambda group: -group.count)


def _references(group: Group) -> list[ReferenceType[Any]]:
    """Return weak references to the members of a group: all, or evenly spaced ones."""
    members = group.members
    if members is None:
        return []
    rows: Iterable[int] = set(members.rows)
    if len(set(rows)) < members.total:
        rows = members.sample
    references = members.columns.references
    return [references[row] for row in sorted(rows)]
