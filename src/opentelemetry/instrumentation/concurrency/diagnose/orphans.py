"""Which tasks and threads are orphans: without owner, outlived their creator by the age limit, and no residents."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ..census.census import Census
from ..census.columns import Columns
from ..census.look import Look, Tally
from ..census.pace import paced
from ..record.greenlets import threads_are_greenlets
from ..record.long_lived import declared_task, declared_thread
from ..record.site import Kind, Site
from ..record.threads import executor_of
from .connections import belongs_to_connection
from .creator_ended import creator_ended, loop_ended
from .ignored import IgnoreList
from .infrastructure import is_infrastructure
from .ownership import is_owned
from .residents import ResidentMemory
from .stalls import StallBook

_LOOKS_TO_BE_SURE: Final = 2


@dataclass(slots=True)
class SiteOrphans:
    """The orphans of one site.

    Attributes:
        site: Where they were created.
        rows: Their rows in the census' columns.
        evidence: By row, how its creator is known to have ended.
        live: How many are live at the site, orphans or not.
    """

    site: Site
    rows: list[int]
    evidence: dict[int, str]
    live: int


@dataclass(slots=True)
class _SiteCandidates:
    rows: list[int] = field(default_factory=list)
    evidence: dict[int, str] = field(default_factory=dict)
    unsampled_rows: array[int] = field(default_factory=lambda: array("L"))
    old_rows: array[int] = field(default_factory=lambda: array("L"))
    worker_rows: list[int] = field(default_factory=list)
    executors: set[int] = field(default_factory=set)
    youngest_by_span: float | None = None


class OrphanSearch:
    """Looks for orphans after every scan and remembers what needs more than one.

    Args:
        task_age: Seconds a task must have outlived its creator.
        thread_age: The same for threads.
        residents: The resident rule.
        ignored: What is never an orphan because somebody said so.
        stalls: Told of every old task, to know since when it waits.
    """

    def __init__(
        self, *, task_age: float, thread_age: float, residents: ResidentMemory, ignored: IgnoreList, stalls: StallBook
    ) -> None:
        self._age: dict[Kind, float] = {"task": task_age, "thread": thread_age}
        self._residents = residents
        self._ignored = ignored
        self._stalls = stalls
        self.resident_rows: list[int] = []
        # Not a list: to free a million numbers at once keeps everybody from running for 20 ms.
        self.old_rows: array[int] = array("L")

    def search(self, kind: Kind, census: Census, look: Look, pause: Callable[[], None]) -> list[SiteOrphans]:
        """Return the orphans of one kind by site, and mark their rows. The caller holds the census' lock.

        For the proof, ``old_rows`` are then the rows of all that are older than the age limit, ``resident_rows`` those
        of them at resident sites.

        Args:
            kind: Tasks or threads.
            census: Where the rows are.
            look: The scan just made.
            pause: Called between slices of rows.

        Cost: about 0.3 µs a live task, and 1 µs for one that is old or whose creator has ended.
        """
        columns, tallies = (census.tasks, look.tasks) if kind == "task" else (census.threads, look.threads)
        for tally in tallies:
            self._residents.look(tally.site, tally.live, tally.oldest_at, look.at)
        self.resident_rows = []
        if kind == "thread" and threads_are_greenlets():
            self.old_rows, columns.is_orphan = array("L"), bytearray(len(columns))
            return []
        candidates = self._candidates(kind, columns, census, look, pause)
        self.old_rows = array("L")
        for here in candidates.values():
            self.old_rows.extend(here.old_rows)
        by_number = {tally.site.number: tally for tally in tallies}
        found = []
        for number, here in candidates.items():
            # A row can end between the scan and this; its site then has no tally any more.
            tally_here = by_number.get(number)
            if tally_here is not None:
                orphans = self._orphans_of_site(kind, columns, tally_here, here, pause)
                if orphans is not None:
                    found.append(orphans)
        return found

    def _candidates(
        self, kind: Kind, columns: Columns, census: Census, look: Look, pause: Callable[[], None]
    ) -> dict[int, _SiteCandidates]:
        candidates: dict[int, _SiteCandidates] = {}
        columns.is_orphan = bytearray(len(columns))
        for row in paced(range(len(columns)), pause):
            self._look_at_row(kind, columns, row, census, look, candidates)
        return candidates

    def _look_at_row(
        self, kind: Kind, columns: Columns, row: int, census: Census, look: Look, candidates: dict[int, _SiteCandidates]
    ) -> None:
        age_limit = self._age[kind]
        span = columns.creator_spans[row]
        is_old = look.at - columns.created_at[row] >= age_limit
        number = columns.sites[row]
        evidence = creator_ended(columns.creators[row], span)
        if not is_old and evidence is None:
            columns.creator_ended_at[row] = 0.0
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
                self._stalls.look(columns.serials[row], number, found, look.at)
                if evidence is None:
                    evidence = loop_ended(found, columns.creators[row], census.loops, look.at, age_limit)
        if evidence is None:
            columns.creator_ended_at[row] = 0.0
            columns.suspected_looks[row] = 0
            if is_old and span is not None and not span.is_sampled:
                here.unsampled_rows.append(row)
        else:
            self._look_at_left_over(kind, columns, row, found, evidence, look, here)

    def _look_at_left_over(
        self, kind: Kind, columns: Columns, row: int, found: Any, evidence: str, look: Look, here: _SiteCandidates
    ) -> None:
        """Judge a row whose creator has ended."""
        if not columns.creator_ended_at[row]:
            columns.creator_ended_at[row] = look.at
        if look.at - columns.creator_ended_at[row] < self._age[kind]:
            return
        executor = executor_of(found) if kind == "thread" else None
        if executor is None and _is_kept(kind, found, columns, row):
            columns.suspected_looks[row] = 0
            return
        columns.suspected_looks[row] = min(columns.suspected_looks[row] + 1, 255)
        if columns.suspected_looks[row] < _LOOKS_TO_BE_SURE and not look.final:
            return
        here.evidence[row] = evidence
        if executor is not None:
            here.executors.add(id(executor))
            here.worker_rows.append(row)
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
        if len(here.executors) > self._residents.limit:
            # Not the workers are too many but the executors: nobody makes so many that are meant to stay.
            for row in here.worker_rows:
                here.evidence[row] = f"one of {len(here.executors)} executors made at this line and never shut down"
            rows += here.worker_rows
        if self._residents.is_resident_site(site, tally.live, len(here.old_rows)):
            self.resident_rows += here.old_rows
            return None
        if kind == "task" and tally.live <= self._residents.limit:
            rows = [row for row in rows if not belongs_to_connection(columns.references[row]())]
        if kind == "task" and rows and self._ignored.has_fingerprints:
            rows = [row for row in paced(rows, pause) if not self._ignored.holds_task(site, columns.references[row]())]
        if not rows:
            return None
        for row in paced(rows, pause):
            columns.is_orphan[row] = 1
        return SiteOrphans(site, rows, here.evidence, tally.live)

    def _extend_to_unsampled(self, kind: Kind, columns: Columns, here: _SiteCandidates) -> None:
        """Add the old tasks of unsampled requests: the site leaks under sampled ones, so under these as well."""
        assert here.youngest_by_span is not None
        for row in here.unsampled_rows:
            found = columns.references[row]()
            if (
                columns.created_at[row] <= here.youngest_by_span
                and found is not None
                and not _is_kept(kind, found, columns, row)
            ):
                here.rows.append(row)
                here.evidence[row] = "others of the same line outlived their requests"


def _is_kept(kind: Kind, found: Any, columns: Columns, row: int) -> bool:
    if kind == "thread":
        return is_infrastructure(found) or declared_thread(found) is not None
    return is_owned(found) or declared_task(found, columns.creators[row]) is not None
