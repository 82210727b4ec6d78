"""Tasks pending when their loop ends, by `asyncio.run` or by a signal.

Workers that are cancelled when a service stops are not leaks. Excluded are therefore residents, tasks of one site that
were all created together long before, tasks that wait for the network, and declared ones. In a process too young to
have residents, sites with few tasks are excluded as well.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from ..census.census import Census
from ..census.scan import Scan
from ..record.long_lived import declared_function, declared_task
from .introspection.known_waits import is_pending
from .introspection.readable import chain_of
from .introspection.wait_reason import wait_reason
from .ownership.ignored import IgnoreList
from .ownership.owners import is_owned
from .ownership.residents import Births, ResidentMemory
from .row_memory import RowMemory
from .verdict.group import Group
from .verdict.representative import Members

CANCELLED_BY_RUN: Final = "main returned while it was pending, and asyncio.run had to cancel it"
ENDED_BY_SIGNAL: Final = "it was pending when the process ended itself by a signal"
"""Evidence of the two ways in which a loop ends."""


def left_at_exit(
    census: Census,
    scan: Scan,
    residents: ResidentMemory,
    ignored: IgnoreList,
    memory: RowMemory,
    *,
    loop: Any,
    evidence: str,
    old_process: bool,
) -> list[Group]:
    """Return one group per site with pending tasks. The caller holds the census' lock.

    Args:
        census: The census.
        scan: The last scan.
        residents: The resident rule.
        ignored: The setting ``IGNORE``.
        memory: The diagnosis' memory of the tasks.
        loop: The event loop that ends.
        evidence: How the loop ends.
        old_process: Whether the process is old enough to distinguish residents from recurring tasks.

    Cost: one await chain per live task.
    """
    columns, sites = census.tasks, census.recorder.task_sites.sites
    # If a signal ends the process, main itself is still running.
    current = sys.modules["asyncio"].current_task(loop)
    rows_by_site: dict[int, list[int]] = {}
    for row in range(len(columns)):
        task = columns.references[row]()
        if memory.verdict[row] or task is None or task is current or task.get_loop() is not loop:
            continue
        if _is_left_over(task, columns.creators[row]):
            rows_by_site.setdefault(columns.sites[row], []).append(row)
    groups = []
    for number, rows in rows_by_site.items():
        site = sites[number]
        if ignored.holds_site(site) or declared_function(site.runs) is not None:
            continue
        if len(rows) <= residents.limit and not old_process:
            continue
        births = Births(columns.created_at, rows)
        if residents.would_be_residents(site, births) or residents.filled_once(births, scan.at):
            continue
        members = Members(columns, rows, sites)
        groups.append(Group(site, "orphaned", len(rows), evidence, scan.at, members=members, is_complete=True))
    return groups


def _is_left_over(task: Any, creator: Any) -> bool:
    if not is_pending(task) or is_owned(task) or declared_task(task, creator) is not None:
        return False
    return not wait_reason(task, chain_of(task)).startswith("io.")
