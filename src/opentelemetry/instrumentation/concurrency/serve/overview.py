"""The data of the live page: totals, one row per creation site, and groups with stacks, each limited in number."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from ..record.naming import CodeLine
from ..record.threads import OWN_SITE
from ..snapshot.interned import Interned
from ..snapshot.tally import Tally, group_by_site, group_by_stack
from ..snapshot.values import CreationSite, LivePicture, Snapshot

MAX_SITES: Final = 10_000
MAX_GROUPS: Final = 5_000
OVERVIEW_VERSION: Final = 2

SiteKey = tuple[Literal["task", "thread"], CreationSite]


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a process besides its tallies.

    Attributes:
        taken_at: Seconds since the epoch.
        process: The process.
        created: Number of created tasks or threads, by kind and site.
        growing: The growing sites.
        ended_badly: Numbers of tasks destroyed while pending and of exceptions never retrieved, by kind and site; sites
            without any may be omitted.
        delays_s: The last delay of each event loop in seconds, by the name of its thread.
        memory: Bytes that only leaked tasks hold, by kind and site, where it was measured.
        impacts: Texts on the leaks of a site, by kind and site: heading and text.
        silent_loops: The event loops that do not answer, as returned by `SilentLoop.as_facts`.
        executors: The use of executors by site, as returned by `executor_rows`.
        generators_left: Functions whose generators were left half way, as returned by `generators_left`.
        never_awaited: Functions whose coroutines were never awaited, as returned by `never_awaited`.
        left_out: Numbers of entries for which these lists have no room, by the list's name in the document.
    """

    taken_at: float
    process: dict[str, Any]
    created: dict[SiteKey, int]
    growing: set[SiteKey]
    delays_s: dict[str, float]
    ended_badly: dict[SiteKey, tuple[int, int]] = field(default_factory=dict)
    silent_loops: list[dict[str, Any]] = field(default_factory=list)
    executors: list[dict[str, Any]] = field(default_factory=list)
    memory: dict[SiteKey, int] = field(default_factory=dict)
    impacts: dict[SiteKey, dict[str, str]] = field(default_factory=dict)
    generators_left: list[dict[str, Any]] = field(default_factory=list)
    never_awaited: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Selection:
    """The tasks or threads to show in full.

    Attributes:
        kind: ``task`` or ``thread``.
        function: Function of their creation site.
        path: File of their creation site.
        line: Line of their creation site.
        runs: The function that they run; None for any.
        around: Serial number of a task whose neighbours in the wait graph are selected instead.
        deadlocked: Whether all tasks in await cycles are selected instead.
        limit: Maximum number.
    """

    kind: Literal["task", "thread"]
    function: str = ""
    path: str = ""
    line: int = 0
    runs: str | None = None
    around: int | None = None
    deadlocked: bool = False
    limit: int = 200

    def holds(self, picture: LivePicture) -> bool:
        """Return whether a picture belongs to the site, or to an await cycle; an unset path matches any."""
        if self.deadlocked:
            return bool(picture.deadlock)
        site = picture.site
        runs = site.runs if self.runs is None else self.runs
        return site == CreationSite(self.function, self.path or site.path, self.line, runs)


def overview(tallies: list[Tally], facts: Facts) -> dict[str, Any]:
    """Return the document of the live page.

    Args:
        tallies: The tallies of all live tasks and threads, largest first.
        facts: Other facts about the process.
    """
    stacks: Interned[tuple[CodeLine, ...]] = Interned()
    frames: Interned[CodeLine] = Interned()
    sites = _site_rows(tallies, facts)
    numbers = {key: at for at, (key, _) in enumerate(sites)}
    groups = []
    for tally in sorted(tallies, key=lambda one: (one.verdict is None, -one.count))[:MAX_GROUPS]:
        groups.append(_group_row(tally, numbers, stacks))
    numbered = [[frames.number(entry) for entry in stack] for stack in stacks.values]
    return {
        "overview_version": OVERVIEW_VERSION,
        "taken_at": facts.taken_at,
        "process": facts.process,
        "totals": _totals(tallies, facts),
        "delays_s": facts.delays_s,
        "silent_loops": facts.silent_loops,
        "executors": facts.executors,
        "generators_left": facts.generators_left,
        "never_awaited": facts.never_awaited,
        "sites": [row for _, row in sites[:MAX_SITES]],
        "groups": groups,
        "own_site": OWN_SITE,
        "stacks": numbered,
        "frames": [[entry.function, entry.path, entry.line] for entry in frames.values],
        "left_out": {**facts.left_out, **_left_out(facts, len(sites), len(tallies))},
    }


def _group_row(tally: Tally, numbers: dict[SiteKey, int], stacks: Interned[tuple[CodeLine, ...]]) -> dict[str, Any]:
    """Return a group; sites are given by their row, and stacks by their number in ``stacks``."""
    group = {
        "site": numbers.get((tally.kind, tally.site), -1),
        "kind": tally.kind,
        "count": tally.count,
        "wait": tally.wait_reason,
        "verdict": tally.verdict or "",
        "oldest_s": round(tally.oldest_s, 3),
        "stall_s": None if tally.longest_stall_s is None else round(tally.longest_stall_s, 3),
        "stack": stacks.number(tally.stack),
        "note": tally.note,
    }
    if tally.creation_stack:
        group["creation"] = stacks.number(tally.creation_stack)
        group["creation_sampled"] = tally.creation_sampled
    return group


def _left_out(facts: Facts, sites: int, groups: int) -> dict[str, int]:
    """Return the numbers of sites and groups that have no room in the document or in its facts."""
    return {
        "sites": facts.left_out.get("sites", 0) + max(0, sites - MAX_SITES),
        "groups": max(0, groups - MAX_GROUPS),
    }


class Chosen(NamedTuple):
    """The pictures that an answer has room for, and the number of further ones that were selected."""

    pictures: tuple[LivePicture, ...]
    left_out: int


def chosen_of(pictures: Iterable[LivePicture], selection: Selection) -> Chosen:
    """Return the selected tasks or threads among all of their kind."""
    if selection.around is not None:
        return neighbours(pictures, selection.around, selection.limit)
    found: list[LivePicture] = []
    left_out = 0
    for picture in pictures:
        if selection.holds(picture):
            if len(found) < selection.limit:
                found.append(picture)
            else:
                left_out += 1
    return Chosen(tuple(found), left_out)


def neighbours(pictures: Iterable[LivePicture], serial: int, limit: int) -> Chosen:
    """Return a task and the tasks connected with it in the wait graph, nearest first.

    Args:
        pictures: All tasks.
        serial: Serial number of the task.
        limit: Maximum number.
    """
    known = {one.serial: one for one in pictures if one.waits_for is not None or one.owners or one.serial == serial}
    found: list[LivePicture] = []
    left_out = 0
    pending, seen = deque([serial]), {serial}
    while pending:
        picture = known.get(pending.popleft())
        if picture is None:
            continue
        if len(found) < limit:
            found.append(picture)
        else:
            left_out += 1
        ahead = () if picture.waits_for is None else (picture.waits_for,)
        for other in (*ahead, *picture.owners):
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return Chosen(tuple(found), left_out)


def snapshot_of(pictures: tuple[LivePicture, ...], whole: Snapshot | None = None) -> Snapshot:
    """Return a snapshot of some pictures, with process and time of ``whole`` or, without it, of this process now."""
    return Snapshot(
        taken_at=time.time() if whole is None else whole.taken_at,
        process_id=os.getpid() if whole is None else whole.process_id,
        tasks=tuple(one for one in pictures if one.kind == "task"),
        threads=tuple(one for one in pictures if one.kind == "thread"),
        by_site=group_by_site(pictures),
        by_stack=group_by_stack(pictures),
    )


def _site_rows(tallies: list[Tally], facts: Facts) -> list[tuple[SiteKey, dict[str, Any]]]:
    """Return one row per site: those with live tasks or threads, largest first, then those with only bad endings."""
    rows: dict[SiteKey, dict[str, Any]] = {}
    for tally in tallies:
        key = (tally.kind, tally.site)
        row = rows.get(key)
        if row is None:
            row = rows[key] = _empty_row(key, facts)
        row["live"] += tally.count
        row["oldest_s"] = max(row["oldest_s"], round(tally.oldest_s, 3))
        if tally.verdict in ("orphaned", "unwakeable"):
            row[tally.verdict] += tally.count
    for key in facts.ended_badly:
        if key not in rows:
            rows[key] = _empty_row(key, facts)
    return sorted(rows.items(), key=lambda item: _order(item[1]))


def _empty_row(key: SiteKey, facts: Facts) -> dict[str, Any]:
    kind, site = key
    destroyed, unretrieved = facts.ended_badly.get(key, (0, 0))
    return {
        "kind": kind,
        "function": site.function,
        "path": site.path,
        "line": site.line,
        "runs": site.runs,
        "via": [[spawner.function, spawner.path, spawner.line] for spawner in site.via],
        "live": 0,
        "created": facts.created.get(key, 0),
        "oldest_s": 0.0,
        "orphaned": 0,
        "unwakeable": 0,
        "growing": key in facts.growing,
        "destroyed": destroyed,
        "unretrieved": unretrieved,
        "memory": facts.memory.get(key),
        "impact": facts.impacts.get(key, {}),
    }


def _order(row: dict[str, Any]) -> tuple[object, ...]:
    return -row["live"], -row["destroyed"] - row["unretrieved"], row["function"], row["line"], row["runs"]


def _totals(tallies: list[Tally], facts: Facts) -> dict[str, int]:
    """Return the counts over all sites, as `live_counts` does: without this package's own threads, which have a row."""
    totals = {"tasks": 0, "threads": 0, "orphaned": 0, "unwakeable": 0, "growing": len(facts.growing)}
    for tally in tallies:
        if tally.site.function == OWN_SITE:
            continue
        totals[f"{tally.kind}s"] += tally.count
        if tally.verdict in ("orphaned", "unwakeable"):
            totals[tally.verdict] += tally.count
    for kind in ("task", "thread"):
        totals[f"{kind}s_created"] = sum(
            count for (of, site), count in facts.created.items() if of == kind and site.function != OWN_SITE
        )
    return totals
