"""What `asyncio.run` had to cancel when main had returned, by site.

A service that is stopped leaves its workers to be cancelled, which is no leak: residents, what waits for the network
and what somebody declared are left out, and in a process too young to tell residents, all sites with few tasks.
"""

from __future__ import annotations

from typing import Any

from ..census.census import Census
from ..census.look import Look
from ..record.long_lived import declared_task
from .await_chain import walk_await_chain
from .group import Group, choose_representative, representative_of
from .ignored import IgnoreList
from .known_waits import coroutine_of, is_pending
from .ownership import is_owned
from .residents import ResidentMemory
from .wait_reason import wait_reason


def left_at_exit(
    census: Census, look: Look, residents: ResidentMemory, ignored: IgnoreList, *, old_process: bool
) -> list[Group]:
    """Return one group for each site that left tasks behind. The caller holds the census' lock.

    Args:
        census: Where the rows are.
        look: The last scan.
        residents: The resident rule.
        ignored: What was declared harmless.
        old_process: Whether the process is old enough to tell residents from what recurs.

    Cost: one await chain a live task.
    """
    columns = census.tasks
    rows_by_site: dict[int, list[int]] = {}
    for row in range(len(columns)):
        if not columns.is_orphan[row] and _is_left_over(columns.references[row](), columns.creators[row]):
            rows_by_site.setdefault(columns.sites[row], []).append(row)
    groups = []
    for number, rows in rows_by_site.items():
        site = census.recorder.task_sites.sites[number]
        if ignored.holds_site(site) or (len(rows) <= residents.limit and not old_process):
            continue
        if residents.is_resident_site(site, len(rows), len(rows)):
            continue
        chosen, spans = choose_representative(columns, rows)
        evidence = "main returned while it was pending, and asyncio.run had to cancel it"
        groups.append(
            Group(
                site,
                "orphaned",
                len(rows),
                evidence,
                look.at,
                representative_of(columns, chosen),
                spans=spans,
                is_complete=True,
            )
        )
    return groups


def _is_left_over(task: Any, creator: Any) -> bool:
    if task is None or not is_pending(task) or is_owned(task) or declared_task(task, creator) is not None:
        return False
    return not wait_reason(task, walk_await_chain(coroutine_of(task))).startswith("io.")
