"""The search for orphans: no owner, outlived by age limit, and not residents."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ...census.census import Census
from ...census.columns import Columns
from ...census.pace import paced
from ...census.scan import Scan, Tally
from ...record.greenlets import threads_are_greenlets
from ...record.long_lived import declared_function, declared_task, declared_thread
from ...record.site import Kind, Site
from ...record.threads import MOST_SDK_THREADS, executor_of
from ..introspection.connections import split_by_connection
from ..introspection.stalls import WATCHED_PER_SITE, StallTracker
from ..row_memory import DiagnosisMemory, RowMemory
from ..states import RowVerdict
from .creator_ended import creator_ended, loop_ended, outlived_a_call
from .ignored import IgnoreList
from .infrastructure import is_infrastructure, is_telemetry
from .owners import is_owned
from .residents import Births, ResidentMemory
from .unrecorded import UnrecordedOrphans

_SCANS_TO_BE_SURE: Final = 2


@dataclass(slots=True)
class SiteOrphans:
    """The orphans of one site.

    Attributes:
        site: The creation site.
        rows: Their rows in the census' columns.
        evidence: The evidence that the creator has ended, by row.
        live: Number of all live tasks or threads at the site.
        says_all: Whether the evidence is complete, so that no further clause is added.
    """

    site: Site
    rows: list[int]
    evidence: dict[int, str]
    live: int
    says_all: bool = False


@dataclass(slots=True)
class _SiteCandidates:
    rows: list[int] = field(default_factory=list)
    evidence: dict[int, str] = field(default_factory=dict)
    unsampled_rows: array[int] = field(default_factory=lambda: array("L"))
    old_rows: array[int] = field(default_factory=lambda: array("L"))
    unrecorded_rows: array[int] = field(default_factory=lambda: array("L"))
    worker_rows: list[int] = field(default_factory=list)
    executors: set[int] = field(default_factory=set)
    telemetry_rows: list[int] = field(default_factory=list)
    youngest_by_span: float | None = None


class OrphanSearch:
    """Searches for orphans after every scan and keeps the state that spans several scans.

    Args:
        task_age: Seconds that a task must have outlived its creator.
        thread_age: The same for threads.
        residents: The resident rule.
        ignored: The setting ``IGNORE``.
        stalls: Receives every old task, to track how long it has waited.
        memory: Keeps the verdicts, and what earlier scans found.
    """

    def __init__(
        self,
        *,
        task_age: float,
        thread_age: float,
        residents: ResidentMemory,
        ignored: IgnoreList,
        stalls: StallTracker,
        memory: DiagnosisMemory,
    ) -> None:
        self._age: dict[Kind, float] = {"task": task_age, "thread": thread_age}
        self._residents = residents
        self._unrecorded = UnrecordedOrphans(residents)
        self._ignored = ignored
        self._stalls = stalls
        self._memory = memory
        self._rows: RowMemory
        self.watched: dict[Kind, dict[Site, int]] = {"task": {}, "thread": {}}
        self.old_rows_by_site: list[array[int]] = []
        # Not a list: freeing a million integers at once blocks all threads for 20 ms.
        self.old_rows: array[int] = array("L")

    def search(self, kind: Kind, census: Census, scan: Scan, pause: Callable[[], None]) -> list[SiteOrphans]:
        """Return the orphans of one kind by site, and mark their rows. The caller holds the census' lock.

        Afterwards, ``old_rows`` has the rows older than the age limit and ``old_rows_by_site`` the same per site, both
        for the proof. ``watched`` has the sites with old rows or candidates, and their number of old rows.

        Args:
            kind: Tasks or threads.
            census: The census.
            scan: The current scan.
            pause: Called between slices of rows.

        Cost: about 0.3 µs per live task, and 1 µs per task that is old or whose creator has ended.
        """
        columns, tallies = (census.tasks, scan.tasks) if kind == "task" else (census.threads, scan.threads)
        for tally in tallies:
            self._residents.scan(tally.site, tally.oldest_at)
            self._unrecorded.observe(tally.site, tally.live, tally.oldest_at, scan.at)
        self.old_rows_by_site = []
        self._rows = self._memory.of(columns)
        if kind == "thread" and threads_are_greenlets():
            self._rows.clear_verdicts()
            self.old_rows, self.watched[kind] = array("L"), {}
            return []
        candidates = self._candidates(kind, columns, census, scan, pause)
        self.old_rows = array("L")
        for here in candidates.values():
            self.old_rows.extend(here.old_rows)
            self.old_rows_by_site.append(here.old_rows)
        by_number = {tally.site.number: tally for tally in tallies}
        self.watched[kind] = {
            by_number[number].site: len(here.old_rows) for number, here in candidates.items() if number in by_number
        }
        self._residents.judge_functions(self.watched[kind].items(), scan.at, self._age[kind])
        found = []
        for number, here in candidates.items():
            # A row may end between the scan and this point; its site then no longer has a tally.
            tally_here = by_number.get(number)
            if tally_here is not None:
                orphans = self._orphans_of_site(kind, columns, tally_here, here, pause)
                if orphans is not None:
                    found.append(orphans)
        return found

    def _candidates(
        self, kind: Kind, columns: Columns, census: Census, scan: Scan, pause: Callable[[], None]
    ) -> dict[int, _SiteCandidates]:
        candidates: dict[int, _SiteCandidates] = {}
        self._rows.clear_verdicts()
        for row in paced(range(len(columns)), pause):
            self._judge_row(kind, columns, row, census, scan, candidates)
        return candidates

    def _judge_row(
        self, kind: Kind, columns: Columns, row: int, census: Census, scan: Scan, candidates: dict[int, _SiteCandidates]
    ) -> None:
        age_limit, memory = self._age[kind], self._rows
        span = columns.creator_spans[row]
        is_old = scan.at - columns.created_at[row] >= age_limit
        number = columns.sites[row]
        evidence = creator_ended(columns.creators[row], span)
        if not is_old and evidence is None:
            memory.creator_ended_at[row] = 0.0
            return
        found = columns.references[row]()
        if found is None:
            return
        here = candidates.get(number)
        if here is None:
            here = candidates[number] = _SiteCandidates()
        if is_old:
            here.old_rows.append(row)
            if kind == "task":
                self._stalls.scan(columns.serials[row], number, found, scan.at)
                if evidence is None:
                    evidence = loop_ended(found, columns.creators[row], census.loops, scan.at, age_limit)
        if evidence is None:
            memory.creator_ended_at[row] = 0.0
            memory.suspected_scans[row] = 0
            if is_old and span is not None and not span.is_sampled:
                here.unsampled_rows.append(row)
            elif is_old and kind == "task" and columns.creators[row] is None:
                here.unrecorded_rows.append(row)
        else:
            self._scan_leftovers(kind, columns, row, found, evidence, scan, here)

    def _scan_leftovers(
        self, kind: Kind, columns: Columns, row: int, found: Any, evidence: str, scan: Scan, here: _SiteCandidates
    ) -> None:
        """Process a row whose creator has ended."""
        memory = self._rows
        if not memory.creator_ended_at[row]:
            memory.creator_ended_at[row] = scan.at
        if scan.at - memory.creator_ended_at[row] < self._age[kind]:
            return
        executor = executor_of(found) if kind == "thread" else None
        telemetry = kind == "thread" and is_telemetry(found)
        if executor is None and not telemetry and _is_kept(kind, found, columns, row):
            memory.suspected_scans[row] = 0
            return
        memory.suspected_scans[row] = min(memory.suspected_scans[row] + 1, 255)
        if memory.suspected_scans[row] < _SCANS_TO_BE_SURE and not scan.final:
            return
        here.evidence[row] = evidence
        if executor is not None:
            here.executors.add(id(executor))
            here.worker_rows.append(row)
            return
        if telemetry:
            here.telemetry_rows.append(row)
            return
        here.rows.append(row)
        span = columns.creator_spans[row]
        if span is not None and span.is_entry:
            created_at = columns.created_at[row]
            here.youngest_by_span = max(here.youngest_by_span or created_at, created_at)

    def _orphans_of_site(
        self, kind: Kind, columns: Columns, tally: Tally, here: _SiteCandidates, pause: Callable[[], None]
    ) -> SiteOrphans | None:
        site = tally.site
        if self._ignored.holds_site(site):
            return None
        rows = here.rows
        if rows and here.youngest_by_span is not None:
            self._extend_to_unsampled(kind, columns, here)
        if kind == "task":
            rows = self._without_connections(columns, site, rows)
        rows += self._rows_of_machinery(here)
        self._residents.observe(site, Births(columns.created_at, rows))
        if self._residents.are_residents(site, len(rows), len(here.old_rows)):
            rows = []
        if declared_function(site.runs) is not None:
            return None
        if kind == "thread" and len(here.old_rows) <= self._residents.limit:
            # Blocking libraries (watchers, connections) are often opened by a call in an executor, and meant to stay.
            rows = [row for row in rows if not outlived_a_call(columns.creators[row], columns.creator_spans[row])]
        unrecorded: list[int] = []
        if here.unrecorded_rows:
            unrecorded, clause = self._unrecorded.judge(columns, site, here.unrecorded_rows, pause)
            here.evidence.update(dict.fromkeys(unrecorded, clause))
            rows += unrecorded
        if kind == "task" and rows and self._ignored.has_fingerprints:
            rows = [row for row in paced(rows, pause) if not self._ignored.holds_task(site, columns.references[row]())]
        if not rows:
            return None
        orphaned, verdicts = RowVerdict.ORPHANED, self._rows.verdict
        for row in paced(rows, pause):
            verdicts[row] = orphaned
        return SiteOrphans(site, rows, here.evidence, tally.live, says_all=len(rows) == len(unrecorded))

    def _without_connections(self, columns: Columns, site: Site, rows: list[int]) -> list[int]:
        """Return the rows of a site's tasks whose number is not explained by open connections."""
        if not self._residents.limit:
            return rows
        sides = split_by_connection(columns, rows)
        opened = sides["opened"] + ([] if self._are_in_use(columns, sides["reads"]) else sides["reads"])
        recur = self._residents.recur_as_connections(site, Births(columns.created_at, opened))
        return sides["none"] + opened if recur else sides["none"]

    def _are_in_use(self, columns: Columns, rows: list[int]) -> bool:
        """Return whether most of the tasks that read from connections have received data while they were tracked."""
        shortest_use = 2 * self._age["task"]
        stalls = [(row, self._stalls.since(columns.serials[row])) for row in rows[:WATCHED_PER_SITE]]
        read = [since - columns.created_at[row] > shortest_use for row, since in stalls if since is not None]
        return 2 * sum(read) > len(read)

    def _rows_of_machinery(self, here: _SiteCandidates) -> list[int]:
        """Return the rows of executor workers and OpenTelemetry threads at a site that creates too many owners."""
        rows = []
        if len(here.executors) > self._residents.limit:
            # The leak is the number of executors, not of workers: so many executors are never meant to stay.
            clause = f"it is one of {len(here.executors)} executors created at this site and never shut down"
            here.evidence.update(dict.fromkeys(here.worker_rows, clause))
            rows += here.worker_rows
        if len(here.telemetry_rows) > MOST_SDK_THREADS:
            clause = f"one of {len(here.telemetry_rows)} OpenTelemetry threads of providers that were never shut down"
            here.evidence.update(dict.fromkeys(here.telemetry_rows, clause))
            rows += here.telemetry_rows
        return rows

    def _extend_to_unsampled(self, kind: Kind, columns: Columns, here: _SiteCandidates) -> None:
        """Add the old tasks of unsampled requests: the site leaks in sampled requests, so it leaks in these as well."""
        assert here.youngest_by_span is not None
        for row in here.unsampled_rows:
            found = columns.references[row]()
            if (
                columns.created_at[row] <= here.youngest_by_span
                and found is not None
                and not _is_kept(kind, found, columns, row)
            ):
                here.rows.append(row)
                here.evidence[row] = "other tasks of the same site outlived their requests"


def _is_kept(kind: Kind, found: Any, columns: Columns, row: int) -> bool:
    if kind == "thread":
        return is_infrastructure(found) or declared_thread(found) is not None
    return is_owned(found) or declared_task(found, columns.creators[row]) is not None
