"""What the live page draws: totals, a row a creation site, and groups with their stacks; bounded, with the cut said."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..census.snapshot import CreationSite, LivePicture, Snapshot, StackEntry, group_by_site, group_by_stack
from ..render.interned import Interned
from ..render.tally import Tally

MAX_SITES: Final = 10_000
MAX_GROUPS: Final = 5_000
OVERVIEW_VERSION: Final = 1

SiteKey = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known besides the tallies.

    Attributes:
        taken_at: Seconds since the epoch.
        process: Which process.
        created: By kind, function, path and line of a site, how many it has created.
        growing: The sites suspected of growing.
        delays_s: The last delay of each event loop in seconds, by the name of its thread.
    """

    taken_at: float
    process: dict[str, Any]
    created: dict[SiteKey, int]
    growing: set[SiteKey]
    delays_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tasks or threads are asked for in full.

    Attributes:
        kind: ``task`` or ``thread``.
        function: Of their creation site.
        path: Of their creation site.
        line: Of their creation site.
        around: Serial number of a task whose neighbours in the wait-for graph are wanted instead.
        limit: How many at most.
    """

    kind: Literal["task", "thread"]
    function: str = ""
    path: str = ""
    line: int = 0
    around: int | None = None
    limit: int = 200

    def holds(self, picture: LivePicture) -> bool:
        """Tell whether something was created at the site; without a path, whatever its path."""
        return picture.site == CreationSite(self.function, self.path or picture.site.path, self.line)


def overview(tallies: list[Tally], facts: Facts) -> dict[str, Any]:
    """Return the document of the live page.

    Args:
        tallies: Everything alive, counted, most first.
        facts: The rest.
    """
    stacks: Interned[tuple[StackEntry, ...]] = Interned()
    frames: Interned[StackEntry] = Interned()
    sites = _site_rows(tallies, facts)
    numbers = {(row["kind"], row["function"], row["path"], row["line"]): at for at, row in enumerate(sites)}
    groups = []
    for tally in sorted(tallies, key=lambda one: (one.verdict is None, -one.count))[:MAX_GROUPS]:
        group = {
            "site": numbers.get(_key(tally), -1),
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
        groups.append(group)
    numbered = [[frames.number(entry) for entry in stack] for stack in stacks.values]
    return {
        "overview_version": OVERVIEW_VERSION,
        "taken_at": facts.taken_at,
        "process": facts.process,
        "totals": _totals(tallies, facts),
        "delays_s": facts.delays_s,
        "sites": sites[:MAX_SITES],
        "groups": groups,
        "stacks": numbered,
        "frames": [[entry.function, entry.path, entry.line] for entry in frames.values],
        "left_out": {"sites": max(0, len(sites) - MAX_SITES), "groups": max(0, len(tallies) - MAX_GROUPS)},
    }


def neighbours(pictures: Iterable[LivePicture], serial: int, limit: int) -> list[LivePicture]:
    """Return the tasks connected with one in the wait-for graph, nearest first, itself before all.

    Args:
        pictures: All tasks.
        serial: Serial number of the task.
        limit: How many at most.
    """
    known = {one.serial: one for one in pictures if one.waits_for is not None or one.owners or one.serial == serial}
    found: list[LivePicture] = []
    pending, seen = deque([serial]), {serial}
    while pending and len(found) < limit:
        picture = known.get(pending.popleft())
        if picture is None:
            continue
        found.append(picture)
        ahead = () if picture.waits_for is None else (picture.waits_for,)
        for other in (*ahead, *picture.owners):
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return found


def snapshot_of(pictures: tuple[LivePicture, ...], whole: Snapshot | None = None) -> Snapshot:
    """Return a snapshot of some pictures alone; of this process at this time, or of where they were taken from."""
    return Snapshot(
        taken_at=time.time() if whole is None else whole.taken_at,
        process_id=os.getpid() if whole is None else whole.process_id,
        tasks=tuple(one for one in pictures if one.kind == "task"),
        threads=tuple(one for one in pictures if one.kind == "thread"),
        by_site=group_by_site(pictures),
        by_stack=group_by_stack(pictures),
    )


def _key(tally: Tally) -> SiteKey:
    return (tally.kind, tally.site.function, tally.site.path, tally.site.line)


def _site_rows(tallies: list[Tally], facts: Facts) -> list[dict[str, Any]]:
    rows: dict[SiteKey, dict[str, Any]] = {}
    for tally in tallies:
        key = _key(tally)
        row = rows.get(key)
        if row is None:
            kind, function, path, line = key
            row = rows[key] = {
                "kind": kind,
                "function": function,
                "path": path,
                "line": line,
                "live": 0,
                "created": facts.created.get(key, 0),
                "oldest_s": 0.0,
                "orphaned": 0,
                "unwakeable": 0,
                "growing": key in facts.growing,
            }
        row["live"] += tally.count
        row["oldest_s"] = max(row["oldest_s"], round(tally.oldest_s, 3))
        if tally.verdict in ("orphaned", "unwakeable"):
            row[tally.verdict] += tally.count
    return sorted(rows.values(), key=lambda row: (-row["live"], row["function"], row["line"]))


def _totals(tallies: list[Tally], facts: Facts) -> dict[str, int]:
    totals = {"tasks": 0, "threads": 0, "orphaned": 0, "unwakeable": 0, "growing": len(facts.growing)}
    for tally in tallies:
        totals[f"{tally.kind}s"] += tally.count
        if tally.verdict in ("orphaned", "unwakeable"):
            totals[tally.verdict] += tally.count
    for kind in ("task", "thread"):
        totals[f"{kind}s_created"] = sum(count for key, count in facts.created.items() if key[0] == kind)
    return totals
