"""A snapshot: one weakly consistent picture of all living tasks and threads, as values that hold nothing alive.

Each task is seen once, not all at one instant: one that starts or ends meanwhile may or may not be in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class StackEntry:
    """One frame of a stack: qualified function, absolute path, line."""

    function: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class CreationSite:
    """The line that created something; path and line are empty and 0 where only a name is known."""

    function: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class LivePicture:
    """One living task or thread.

    Attributes:
        kind: ``task`` or ``thread``.
        serial: Its number in this process, never used again.
        name: The name of the task or thread.
        site: Where it was created.
        age_s: Seconds since its creation, or since the census met it.
        creator: Serial number of the task that created it, None if none did or it is gone.
        stack: Where it is suspended or runs, innermost last.
        wait_reason: What it waits for, one of the contract's closed list.
        verdict: ``orphaned``, or None.
        is_daemon: Whether a thread is a daemon.
    """

    kind: Literal["task", "thread"]
    serial: int
    name: str
    site: CreationSite
    age_s: float
    creator: int | None
    stack: tuple[StackEntry, ...]
    wait_reason: str
    verdict: str | None
    is_daemon: bool = False


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """Living tasks or threads that are alike.

    Attributes:
        kind: ``task`` or ``thread``.
        count: How many.
        site: Where they were created.
        oldest_s: Age of the oldest in seconds.
        orphans: How many of them are orphans.
        stack: The stack they share; empty in groups by site.
        wait_reason: What they share in waiting for; empty in groups by site.
    """

    kind: Literal["task", "thread"]
    count: int
    site: CreationSite
    oldest_s: float
    orphans: int
    stack: tuple[StackEntry, ...] = ()
    wait_reason: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every living task and thread, and the same grouped by site and by stack, most first.

    Attributes:
        taken_at: Seconds since the epoch.
        process_id: Of this process.
        tasks: One picture a task, in order of discovery.
        threads: One picture a thread.
        by_site: One group a creation site and kind.
        by_stack: One group a kind, creation site, stack and wait reason.
    """

    taken_at: float
    process_id: int
    tasks: tuple[LivePicture, ...]
    threads: tuple[LivePicture, ...]
    by_site: tuple[LiveGroup, ...]
    by_stack: tuple[LiveGroup, ...]


def group_by_site(pictures: Iterable[LivePicture]) -> tuple[LiveGroup, ...]:
    """Return one group a kind and creation site, most first."""
    return _grouped(pictures, lambda one: (one.kind, one.site), with_stack=False)


def group_by_stack(pictures: Iterable[LivePicture]) -> tuple[LiveGroup, ...]:
    """Return one group a kind, creation site, stack and wait reason, most first."""
    return _grouped(pictures, lambda one: (one.kind, one.site, one.stack, one.wait_reason), with_stack=True)


def _grouped(
    pictures: Iterable[LivePicture], key: Callable[[LivePicture], Hashable], *, with_stack: bool
) -> tuple[LiveGroup, ...]:
    groups: defaultdict[Hashable, list[LivePicture]] = defaultdict(list)
    for picture in pictures:
        groups[key(picture)].append(picture)
    made = [
        LiveGroup(
            kind=alike[0].kind,
            count=len(alike),
            site=alike[0].site,
            oldest_s=max(one.age_s for one in alike),
            orphans=sum(one.verdict is not None for one in alike),
            stack=alike[0].stack if with_stack else (),
            wait_reason=alike[0].wait_reason if with_stack else "",
        )
        for alike in groups.values()
    ]
    return tuple(sorted(made, key=lambda group: (-group.count, group.kind, group.site.function, group.site.line)))
