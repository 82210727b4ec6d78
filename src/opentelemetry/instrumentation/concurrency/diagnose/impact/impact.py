"""The impact of leaks: measured when a group is new or has grown, and at every ``PROOF_INTERVAL``.

The measurements share the CPU time of the proof. Between two of them, the memory of a group is that of its tasks on
average, times their number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from weakref import ReferenceType

from ...census.census import Census
from ...census.scan import Scan
from ...record.interpreter import FREE_THREADED_BUILD
from ...record.site import Site
from ..executors import living_executors
from ..proof.closure import Cut
from ..proof.schedule import ProofSchedule
from ..proof.wakeability import alive
from ..verdict.group import Group
from ..verdict.impact import Impact
from ..verdict.representative import choose_representative
from .advice import advice_on, facts_on
from .holders import find_holders
from .memory import measure_memory
from .thread_advice import advice_on_thread, thread_facts_on
from .thread_holders import find_thread_holders

_GROWN: Final = 1.25
_MOST_AT_ONCE: Final = 50
"""Maximum number of groups per scan, or per request, the largest first."""
_MOST: Final = 0.8
"""Share of the tasks of a growing site that wait for the same reason, below which there is no advice."""


@dataclass(slots=True)
class _Measured:
    impact: Impact
    at: float
    count: int


class ImpactWatch:
    """Measures the impact of groups of leaked tasks and keeps it until the next measurement.

    Args:
        interval_s: Seconds between two measurements of a group that does not grow; 0 for measurements on request only.
        proofs: Provides the CPU time.
    """

    def __init__(self, interval_s: float, proofs: ProofSchedule) -> None:
        self._interval_s = interval_s
        self._proofs = proofs
        self._known: dict[tuple[Site, str], _Measured] = {}

    def scan(self, groups: Iterable[Group], scan: Scan, census: Census, pause: Callable[[], None]) -> None:
        """Measure the groups that are due, as far as there is CPU time, and set ``impact`` of all.

        Args:
            groups: The groups of the scan; the others are forgotten.
            scan: The scan.
            census: The census; its lock is held.
            pause: Lets the application run.
        """
        measurable = _largest(groups)
        keys = {(group.site, group.verdict) for group in measurable}
        self._known = {key: known for key, known in self._known.items() if key in keys}
        if self._interval_s and not scan.final:
            due = [group for group in measurable if self._is_due(group, scan.at)][:_MOST_AT_ONCE]

            def may_continue() -> bool:
                self._proofs.spent_s += time.thread_time() - began[0]
                began[0] = time.thread_time()
                return self._proofs.can_afford(scan.at)

            began = [time.thread_time()]
            if due and may_continue():
                self._measure(due, scan.at, census, pause, may_continue)
                may_continue()
        for group in measurable:
            self._set(group)

    def measure_now(self, groups: Iterable[Group], now: float, census: Census, pause: Callable[[], None]) -> None:
        """Measure groups on request, whatever it costs. The caller holds the census' lock.

        Cost: a second per group at most.
        """
        measurable = _largest(groups)[:_MOST_AT_ONCE]
        self._measure(measurable, now, census, pause, lambda: True)
        for group in measurable:
            self._set(group)

    def _is_due(self, group: Group, now: float) -> bool:
        known = self._known.get((group.site, group.verdict))
        return known is None or group.count >= _GROWN * known.count or now - known.at >= self._interval_s

    def _measure(
        self,
        groups: Sequence[Group],
        now: float,
        census: Census,
        pause: Callable[[], None],
        may_continue: Callable[[], bool],
    ) -> None:
        if FREE_THREADED_BUILD:
            return
        cut = Cut(census.loops)
        threads = [group for group in groups if group.site.kind == "thread"]
        for group, impact in _impacts_of_threads(threads, census, cut, pause) if may_continue() else ():
            self._known[group.site, group.verdict] = _Measured(impact, now, group.count)
        groups = [group for group in groups if group.site.kind == "task"]
        if not groups:
            return
        references = [_references(group) for group in groups]
        application = _application(groups)
        holders, live = find_holders(references, alive(census.tasks.references), census.loops, application, cut, pause)
        leaked = {id(task) for tasks in references for task in alive(tasks)}
        for group, tasks, holder in zip(groups, references, holders, strict=True):
            if not may_continue():
                return
            memory = measure_memory(tasks, group.count, cut, pause, live=live)
            advice = self._advice(group, holder.waits_on, leaked, cut)
            impact = Impact(memory, holder.held_by, holder.waits_on, advice)
            self._known[group.site, group.verdict] = _Measured(impact, now, group.count)

    def _advice(self, group: Group, waits_on: str, leaked: Container[int], cut: Cut) -> str:
        choose_representative(group)
        task = None if group.representative is None else group.representative.reference()
        if task is None:
            return ""
        facts = facts_on(
            task,
            group.verdict,
            group.site.function,
            waits_on=waits_on,
            leaked=leaked,
            cut=cut,
        )
        if group.verdict == "growing" and not _wait_alike(group, facts.wait_reason):
            return ""
        return advice_on(facts)

    def _set(self, group: Group) -> None:
        known = self._known.get((group.site, group.verdict))
        if known is not None:
            memory = known.impact.memory
            group.impact = replace(known.impact, memory=None if memory is None else memory.of_tasks(group.count))


def _largest(groups: Iterable[Group]) -> list[Group]:
    """Return the groups that can be measured, largest first."""
    found = [group for group in groups if group.members is not None and group.members.are_current()]
    return sorted(found, key=lambda group: -group.count)


def _impacts_of_threads(
    groups: Sequence[Group], census: Census, cut: Cut, pause: Callable[[], None]
) -> Iterator[tuple[Group, Impact]]:
    """Yield groups of leaked threads with their impact, without memory: no thread accounts for its stack."""
    if not groups:
        return
    references = [_references(group) for group in groups]
    executors = (executor for executor, _ in living_executors(census))
    holders = find_thread_holders(references, executors, census.loops, _application(groups), cut, pause)
    for group, holder in zip(groups, holders, strict=True):
        choose_representative(group)
        thread = None if group.representative is None else group.representative.reference()
        advice = ""
        if thread is not None:
            facts = thread_facts_on(thread, group.verdict, group.site.function)
            if group.verdict != "growing" or _wait_alike(group, facts.wait_reason):
                advice = advice_on_thread(facts)
        yield group, Impact(None, holder.held_by, holder.waits_on, advice)


def _application(groups: Iterable[Group]) -> set[str]:
    return {group.site.function.partition(".")[0] for group in groups}


def _wait_alike(group: Group, reason: str) -> bool:
    """Return whether most members of a growing site wait for one reason; the others would make the advice wrong."""
    alike = sum(count for _, wait_reason, count in group.waits if wait_reason == reason)
    return group.members is not None and alike >= _MOST * group.members.total


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
