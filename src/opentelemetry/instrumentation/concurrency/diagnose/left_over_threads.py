"""Threads that outlived their creators but are too young for a verdict.

The age limit of threads is minutes; many jobs and scripts end earlier, and a user who runs ``leaks`` does not want to
wait. Infrastructure and declared threads are excluded. At exit, a few threads of one site may be work in progress or
residents, so only sites with more than ``RESIDENT_LIMIT`` of them are reported. On request, sites of residents are
excluded, and threads whose creators have just ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..census.census import Census
from ..census.columns import Columns
from ..census.scan import Scan
from ..durations import duration_text
from ..record.greenlets import threads_are_greenlets
from ..record.long_lived import declared_thread
from ..record.site import Site
from .ownership.creator_ended import creator_ended, outlived_a_call
from .ownership.ignored import IgnoreList
from .ownership.infrastructure import is_infrastructure
from .ownership.residents import Births, ResidentMemory
from .row_memory import DiagnosisMemory
from .verdict.group import Group
from .verdict.representative import Members

YOUNGEST_S: Final = 10.0
"""Seconds that a thread must have outlived its creator to be shown on request; younger ones are work in progress."""

_RISES_BY_HAND: Final = 2
"""Number of rises from which a site is shown on request: the user interprets the list, and it is not a verdict."""


def threads_left_at_exit(
    census: Census, scan: Scan, ignored: IgnoreList, memory: DiagnosisMemory, limit: int
) -> list[Group]:
    """Return one group per site with threads at exit. The caller holds the census' lock.

    Args:
        census: The census.
        scan: The last scan.
        ignored: The setting ``IGNORE``.
        memory: The diagnosis' memory.
        limit: The setting ``RESIDENT_LIMIT``.
    """
    left = _left_over(census, ignored, memory, range(len(census.threads)))
    clause = "and it was still running when the process ended"
    return [_group(census, rows, site, scan, clause) for site, rows in left if len(rows) > limit]


def young_left_over_threads(
    census: Census, scan: Scan, ignored: IgnoreList, memory: DiagnosisMemory, residents: ResidentMemory, age: float
) -> list[Group]:
    """Return one group per site with threads that will be orphans if they continue. The caller holds the census' lock.

    Args:
        census: The census.
        scan: The last scan.
        ignored: The setting ``IGNORE``.
        memory: The diagnosis' memory.
        residents: The resident rule.
        age: The setting ``THREAD_AGE``, in seconds.
    """
    columns, ended_at = census.threads, memory.of(census.threads).creator_ended_at
    live = {tally.site: tally.live for tally in scan.threads}
    outlived = [row for row in range(len(columns)) if 0.0 < ended_at[row] <= scan.at - min(YOUNGEST_S, age)]
    clause = f"but it is too young for a verdict, which takes {duration_text(age)}"
    few = {site for site, count in live.items() if count <= residents.limit}
    return [
        _group(census, rows, site, scan, clause)
        for site, rows in _left_over(census, ignored, memory, outlived)
        if not residents.would_be_residents(site, Births(columns.created_at, rows), _RISES_BY_HAND)
        and not (site in few and _outlived_calls_alone(columns, rows))
    ]


def _left_over(
    census: Census, ignored: IgnoreList, memory: DiagnosisMemory, rows: range | list[int]
) -> Iterator[tuple[Site, list[int]]]:
    """Yield sites and rows of threads that have no verdict and whose creators have ended."""
    if threads_are_greenlets():
        return
    by_site: dict[int, list[int]] = {}
    verdicts = memory.of(census.threads).verdict
    for row in rows:
        if not verdicts[row] and _is_left_over(census.threads, row):
            by_site.setdefault(census.threads.sites[row], []).append(row)
    for number, found in by_site.items():
        site = census.recorder.thread_sites.sites[number]
        if not ignored.holds_site(site):
            yield site, found


def _is_left_over(columns: Columns, row: int) -> bool:
    thread = columns.references[row]()
    if thread is None or creator_ended(columns.creators[row], columns.creator_spans[row]) is None:
        return False
    return not is_infrastructure(thread) and declared_thread(thread) is None


def _outlived_calls_alone(columns: Columns, rows: list[int]) -> bool:
    return all(outlived_a_call(columns.creators[row], columns.creator_spans[row]) for row in rows)


def _group(census: Census, rows: list[int], site: Site, scan: Scan, clause: str) -> Group:
    columns = census.threads

    def evidence(row: int) -> str:
        return f"{creator_ended(columns.creators[row], columns.creator_spans[row])}, {clause}"

    members = Members(columns, rows, census.recorder.thread_sites.sites, evidence)
    return Group(site, "orphaned", len(rows), "", scan.at, members=members, is_complete=True)
