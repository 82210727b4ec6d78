"""Merging of groups that a report would show as the same.

Healthy and leaking callers of a factory have separate verdicts. Those that leak share one creating line and run the
same function, so one report covers them. At exit, tasks that were pending when main returned are likewise merged with
the known group of their site, whose evidence is better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .group import Group
from .representative import Members, joined


def merge_alike(groups: Iterable[Group]) -> list[Group]:
    """Merge groups with the same verdict, creating line and function, keeping the order."""
    found: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        found.setdefault((*_line_of(group), group.verdict), []).append(group)
    return [alike[0] if len(alike) == 1 else _merged(alike) for alike in found.values()]


def join_at_exit(known: list[Group], pending: Iterable[Group]) -> list[Group]:
    """Merge the groups of a final scan with those of tasks that were pending when main returned, one per site.

    Args:
        known: The groups of the scan. Orphaned and unwakeable groups keep their evidence and add the count of the other
            group; a growing group is replaced by it.
        pending: One group per site with pending tasks, without those in ``known``.
    """
    groups = list(known)
    for left in pending:
        alike = {group.verdict: group for group in groups if _line_of(group) == _line_of(left)}
        if "orphaned" in alike:
            alike["orphaned"].count += left.count
        elif "unwakeable" in alike:
            alike["unwakeable"].left_at_exit += left.count
        else:
            groups = [group for group in groups if group is not alike.get("growing")]
            groups.append(left)
    return groups


def _line_of(group: Group) -> tuple[str, ...]:
    site = group.site
    return site.kind, site.function, site.path, str(site.line), site.runs


def _merged(groups: Sequence[Group]) -> Group:
    largest = max(groups, key=lambda group: group.count)
    # The choice is the same at every scan, so that the group does not count as new.
    first = min(groups, key=lambda group: group.site.number)
    members = [group.members for group in groups if group.members is not None]
    return Group(
        first.site,
        first.verdict,
        sum(group.count for group in groups),
        largest.evidence,
        min(group.since for group in groups),
        members=_members(members) if members else None,
        last_observation=largest.last_observation,
        guilty_spawner=largest.guilty_spawner,
        is_complete=all(group.is_complete for group in groups),
        awaits_proof=any(group.awaits_proof for group in groups),
        on_report=_each([group.on_report for group in groups]),
    )


def _members(alike: Sequence[Members]) -> Members:
    first = alike[0]
    sites = first.columns.sites
    clauses = {sites[members.sample[0]]: members.clause for members in alike}

    def clause(row: int) -> str:
        found = clauses.get(sites[row])
        return found(row) if found is not None else ""

    return joined(alike, None if first.clause is None else clause)


def _each(callbacks: Sequence[Callable[[], None] | None]) -> Callable[[], None]:
    def call() -> None:
        for callback in callbacks:
            if callback is not None:
                callback()

    return call
