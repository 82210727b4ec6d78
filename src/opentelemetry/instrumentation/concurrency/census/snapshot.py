"""A snapshot: one weakly consistent picture of all living tasks and threads, as values that hold nothing alive.

Each task is seen once, not all at one instant: one that starts or ends meanwhile may or may not be in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple


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
        verdict: ``orphaned``, ``unwakeable``, or None.
        is_daemon: Whether a thread is a daemon.
        stalled_s: Seconds for which it has waited for the very same thing, as far as scans saw; None if unknown.
        reason: The evidence for the verdict in one sentence; empty without one.
        creation_stack: Where it was created, innermost last; empty if the site has no sampled stack.
        creation_sampled: Whether that stack belongs to another creation of the same site.
        waits_for: Serial number of the task that it awaits; None if it awaits none.
        owners: Serial numbers of the undone tasks that wait for it.
        deadlock: Serial numbers of the tasks of its deadlock cycle, itself first; empty if it is in none.
        loop: Name of the thread that runs its event loop, ``closed`` or ``stopped`` for a loop that no thread runs;
            empty for threads.
        note: Why the stack is not whole, for people; empty if it is.
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
    stalled_s: float | None = None
    reason: str = ""
    creation_stack: tuple[StackEntry, ...] = ()
    creation_sampled: bool = False
    waits_for: int | None = None
    owners: tuple[int, ...] = ()
    deadlock: tuple[int, ...] = ()
    loop: str = ""
    note: str = ""


class Glimpse(NamedTuple):
    """What counts need of a living task, at a third of the cost of a picture; the names are those of `LivePicture`.

    The creation stack is one of its site, whoever's it is.
    """

    kind: Literal["task", "thread"]
    serial: int
    site: CreationSite
    age_s: float
    stack: tuple[StackEntry, ...]
    wait_reason: str
    verdict: str | None
    stalled_s: float | None
    reason: str
    creation_stack: tuple[StackEntry, ...]
    loop: str
    note: str


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
        verdict: The verdict they share, or None; None in groups by site.
        longest_stall_s: The longest that one of them has waited for the very same thing; None if unknown.
        creation_stack: A sampled creation stack of their site, innermost last; empty if there is none.
    """

    kind: Literal["task", "thread"]
    count: int
    site: CreationSite
    oldest_s: float
    orphans: int
    stack: tuple[StackEntry, ...] = ()
    wait_reason: str = ""
    verdict: str | None = None
    longest_stall_s: float | None = None
    creation_stack: tuple[StackEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every living task and thread, and the same grouped by site and by stack, most first.

    Attributes:
        taken_at: Seconds since the epoch.
        process_id: Of this process.
        tasks: One picture a task, in order of discovery.
        threads: One picture a thread.
        by_site: One group a creation site and kind.
        by_stack: One group a kind, creation site, stack, wait reason and verdict.
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
    """Return one group a kind, creation site, stack, wait reason and verdict, most first."""
    return _grouped(
        pictures, lambda one: (one.kind, one.site, one.stack, one.wait_reason, one.verdict), with_stack=True
    )


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
            verdict=alike[0].verdict if with_stack else None,
            longest_stall_s=max((one.stalled_s for one in alike if one.stalled_s is not None), default=None),
            creation_stack=alike[0].creation_stack,
        )
        for alike in groups.values()
    ]
    return tuple(sorted(made, key=lambda group: (-group.count, group.kind, group.site.function, group.site.line)))
