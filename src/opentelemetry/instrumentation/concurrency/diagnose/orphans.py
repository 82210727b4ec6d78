"""Which tasks and threads are orphans: without owner, outlived their creator by the age limit, and no residents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final
from weakref import ReferenceType

from ..census.census import SLICE, Census, Look, Tally
from ..census.columns import Columns
from ..record.creator import CreatorSpan
from ..record.site import Kind, Site
from .await_chain import walk_await_chain
from .creator_ended import creator_ended, loop_ended
from .infrastructure import is_infrastructure
from .ownership import is_owned
from .residents import ResidentMemory
from .wait_reason import wait_reason

MAX_LINKS: Final = 8
"""Creators' spans that a report links to."""
_LOOKS_TO_BE_SURE: Final = 2


@dataclass(slots=True)
class OrphanGroup:
    """The orphans of one site.

    Attributes:
        site: Where they were created.
        count: How many there are.
        reference: The representative: the oldest whose creator's context is sampled, else the oldest.
        serial: Its serial number.
        created_at: When it was created, in seconds of the age clock.
        creator_span: The span it was created under.
        evidence: How its creator is known to have ended.
        spans: Distinct sampled creators' spans, the representative's first, at most `MAX_LINKS`.
        all_live: Whether every live one of the site is an orphan.
    """

    site: Site
    count: int
    reference: ReferenceType[Any]
    serial: int
    created_at: float
    creator_span: CreatorSpan | None
    evidence: str
    spans: list[CreatorSpan] = field(default_factory=list)
    all_live: bool = False


@dataclass(slots=True)
class _SiteCandidates:
    rows: list[int] = field(default_factory=list)
    evidence: dict[int, str] = field(default_factory=dict)
    unsampled_rows: list[int] = field(default_factory=list)
    older_than_age: int = 0
    youngest_by_span: float | None = None


class OrphanSearch:
    """Looks for orphans after every scan and remembers what needs more than one.

    Args:
        task_age: Seconds a task must have outlived its creator.
        thread_age: The same for threads.
        residents: The resident rule.
        ignore: Globs on ``module.function`` or file path; such sites have no orphans.
    """

    def __init__(
        self, *, task_age: float, thread_age: float, residents: ResidentMemory, ignore: tuple[str, ...]
    ) -> None:
        self._age: dict[Kind, float] = {"task": task_age, "thread": thread_age}
        self._residents = residents
        self._ignore = ignore

    def search(self, census: Census, look: Look, pause: Callable[[], None]) -> list[OrphanGroup]:
        """Return one group for each site with orphans. The caller holds the census' lock.

        Args:
            census: Where the rows are.
            look: The scan just made.
            pause: Called between slices of rows.

        Cost: about 0.3 µs a live task, and 1 µs for one whose creator has ended.
        """
        groups: list[OrphanGroup] = []
        parts: tuple[tuple[Kind, Columns, tuple[Tally, ...]], ...] = (
            ("task", census.tasks, look.tasks),
            ("thread", census.threads, look.threads),
        )
        for kind, columns, tallies in parts:
            for tally in tallies:
                self._residents.look(tally.site, tally.live, tally.oldest_at, look.at)
            candidates = self._candidates(kind, columns, census, look, pause)
            by_number = {tally.site.number: tally for tally in tallies}
            for number, found in candidates.items():
                # A row can end between the scan and this; its site then has no tally any more.
                if number in by_number:
                    group = self._group(kind, columns, by_number[number], found)
                    if group is not None:
                        groups.append(group)
        return groups

    def _candidates(
        self, kind: Kind, columns: Columns, census: Census, look: Look, pause: Callable[[], None]
    ) -> dict[int, _SiteCandidates]:
        candidates: dict[int, _SiteCandidates] = {}
        columns.is_orphan = bytearray(len(columns))
        for start in range(0, len(columns), SLICE):
            for row in range(start, min(start + SLICE, len(columns))):
                self._look_at_row(kind, columns, row, census, look, candidates)
            pause()
        return candidates

    def _look_at_row(
        self, kind: Kind, columns: Columns, row: int, census: Census, look: Look, candidates: dict[int, _SiteCandidates]
    ) -> None:
        age_limit = self._age[kind]
        span = columns.creator_spans[row]
        is_old = look.at - columns.created_at[row] >= age_limit
        here = candidates.get(columns.sites[row])
        if is_old:
            if here is None:
                here = candidates[columns.sites[row]] = _SiteCandidates()
            here.older_than_age += 1
        evidence = creator_ended(columns.creators[row], span)
        found = None
        if evidence is None and kind == "task" and is_old:
            found = columns.references[row]()
            if found is not None:
                evidence = loop_ended(found, columns.creators[row], census.loops, look.at, age_limit)
        if evidence is None:
            columns.creator_ended_at[row] = 0.0
            columns.suspected_looks[row] = 0
            if here is not None and is_old and span is not None and not span.is_sampled:
                here.unsampled_rows.append(row)
            return
        if not columns.creator_ended_at[row]:
            columns.creator_ended_at[row] = look.at
        if look.at - columns.creator_ended_at[row] < age_limit:
            return
        found = found or columns.references[row]()
        if found is None or _is_kept(kind, found):
            columns.suspected_looks[row] = 0
            return
        columns.suspected_looks[row] = min(columns.suspected_looks[row] + 1, 255)
        if columns.suspected_looks[row] < _LOOKS_TO_BE_SURE and not look.final:
            return
        here = here or candidates.setdefault(columns.sites[row], _SiteCandidates())
        here.rows.append(row)
        here.evidence[row] = evidence
        if span is not None and span.is_entry:
            created_at = columns.created_at[row]
            here.youngest_by_span = max(here.youngest_by_span or created_at, created_at)
        del found

    def _group(self, kind: Kind, columns: Columns, tally: Tally, found: _SiteCandidates) -> OrphanGroup | None:
        site = tally.site
        if self._is_ignored(site):
            return None
        rows = found.rows
        if rows and found.youngest_by_span is not None:
            # The site leaks under sampled requests, so its unsampled ones of that age do as well.
            for row in found.unsampled_rows:
                task = columns.references[row]()
                if columns.created_at[row] <= found.youngest_by_span and task is not None and not _is_kept(kind, task):
                    rows.append(row)
                    found.evidence[row] = "others of the same line outlived their requests"
        if not rows or self._residents.is_resident_site(site, tally.live, found.older_than_age):
            return None
        if kind == "task" and tally.live <= self._residents.limit:
            rows = [row for row in rows if not _waits_for_network(columns.references[row]())]
        if not rows:
            return None
        for row in rows:
            columns.is_orphan[row] = 1
        return _grouped(site, columns, rows, found.evidence, all_live=len(rows) >= tally.live)

    def _is_ignored(self, site: Site) -> bool:
        return any(fnmatchcase(site.function, glob) or fnmatchcase(site.path, glob) for glob in self._ignore)


def _is_kept(kind: Kind, found: Any) -> bool:
    return is_owned(found) if kind == "task" else is_infrastructure(found)


def _waits_for_network(task: Any) -> bool:
    if task is None:
        return True
    return wait_reason(task, walk_await_chain(task.get_coro())).startswith("io.")


def _grouped(site: Site, columns: Columns, rows: list[int], evidence: dict[int, str], *, all_live: bool) -> OrphanGroup:
    oldest = min(rows, key=lambda row: columns.created_at[row])
    sampled = [row for row in rows if (span := columns.creator_spans[row]) is not None and span.is_sampled]
    chosen = min(sampled, key=lambda row: columns.created_at[row]) if sampled else oldest
    spans: dict[int, CreatorSpan] = {}
    for row in [chosen, *sampled]:
        span = columns.creator_spans[row]
        if span is not None and span.is_sampled and len(spans) < MAX_LINKS:
            spans.setdefault(span.context.span_id, span)
    return OrphanGroup(
        site=site,
        count=len(rows),
        reference=columns.references[chosen],
        serial=columns.serials[chosen],
        created_at=columns.created_at[chosen],
        creator_span=columns.creator_spans[chosen],
        evidence=evidence[chosen],
        spans=list(spans.values()),
        all_live=all_live,
    )
