"""Snapshots as values: all live tasks and threads, without references to them.

A snapshot is weakly consistent: each task is seen once, but not all at the same instant. A task that starts or ends
meanwhile may or may not be included.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from ..record.naming import CodeLine


@dataclass(frozen=True, slots=True)
class CreationSite:
    """A creating line and the function that it starts; without a path and with line 0 if only a name is known.

    Two sites are equal if line and function are equal: a line that starts the same function through several spawners
    is still one site.

    Attributes:
        function: Qualified function of the creating line.
        path: Absolute path of its file.
        line: Its line number.
        runs: Qualified name of the started coroutine function or thread target; empty if unknown.
        via: Spawners and library functions between the creating line and the event loop, innermost first; one of
            several possible paths.
    """

    function: str
    path: str
    line: int
    runs: str = ""
    via: tuple[CodeLine, ...] = field(default=(), compare=False)

    def matches(self, glob: str) -> bool:
        """Return whether a glob matches the creating function, its path, its ``path:line``, or the started function.

        Of a path, the glob may match the last parts only: ``shop/search.py:31``, as reports and metrics write it.
        """
        if any(name and fnmatchcase(name, glob) for name in (self.function, self.runs)):
            return True
        places = (self.path, f"{self.path}:{self.line}") if self.path else ()
        return any(fnmatchcase(place, pattern) for place in places for pattern in (glob, f"*/{glob}"))


@dataclass(frozen=True, slots=True)
class LivePicture:
    """A live task or thread.

    Attributes:
        kind: ``task`` or ``thread``.
        serial: Its number in this process, which is never reused.
        name: The name of the task or thread.
        site: The creation site.
        age_s: Seconds since its creation, or since the census first saw it.
        creator: Serial number of the task that created it; None if there is none or it is gone.
        stack: The frames in which it is suspended or runs, innermost last.
        wait_reason: The wait reason, from the closed list in the documentation.
        verdict: ``orphaned``, ``unwakeable``, or None.
        is_daemon: Whether a thread is a daemon.
        stalled_s: Seconds for which it has waited for the same object, according to scans; None if unknown.
        reason: The evidence for the verdict in one sentence; empty without a verdict.
        creation_stack: The creation stack, innermost last; empty if no stack of its site was recorded.
        creation_sampled: Whether that stack belongs to another task or thread of the same site.
        waits_for: Serial number of the task that it awaits; None without one.
        owners: Serial numbers of the pending tasks that wait for it.
        deadlock: Serial numbers of the tasks in its await cycle, starting with itself; empty if it is in none.
        loop: Name of the thread that runs its event loop; ``closed`` or ``stopped`` if no thread does; empty for
            threads.
        note: Reason for an incomplete stack; empty if it is complete.
        before_attach: Whether it was created before ``attach``; its age is then a lower bound.
    """

    kind: Literal["task", "thread"]
    serial: int
    name: str
    site: CreationSite
    age_s: float
    creator: int | None
    stack: tuple[CodeLine, ...]
    wait_reason: str
    verdict: str | None
    is_daemon: bool = False
    stalled_s: float | None = None
    reason: str = ""
    creation_stack: tuple[CodeLine, ...] = ()
    creation_sampled: bool = False
    waits_for: int | None = None
    owners: tuple[int, ...] = ()
    deadlock: tuple[int, ...] = ()
    loop: str = ""
    note: str = ""
    before_attach: bool = False


class TaskSummary(NamedTuple):
    """The part of a `LivePicture` needed for counting, at a third of the cost, with the same field names."""

    kind: Literal["task", "thread"]
    serial: int
    site: CreationSite
    age_s: float
    stack: tuple[CodeLine, ...]
    wait_reason: str
    verdict: str | None
    stalled_s: float | None
    reason: str
    creation_stack: tuple[CodeLine, ...]
    creation_sampled: bool
    loop: str
    note: str


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """Similar live tasks or threads.

    Attributes:
        kind: ``task`` or ``thread``.
        count: Their number.
        site: The creation site.
        oldest_s: Age of the oldest in seconds.
        orphans: Number of orphans among them.
        stack: Their common stack; empty in groups by site.
        wait_reason: Their common wait reason; empty in groups by site.
        verdict: Their common verdict, or None; None in groups by site.
        longest_stall_s: The longest time that one of them has waited for the same object; None if unknown.
        creation_stack: The creation stack of one of them, innermost last; if none of them has one, that of another task
            or thread of the site; empty if none was recorded.
        creation_sampled: Whether that stack belongs to another task or thread of the same site.
    """

    kind: Literal["task", "thread"]
    count: int
    site: CreationSite
    oldest_s: float
    orphans: int
    stack: tuple[CodeLine, ...] = ()
    wait_reason: str = ""
    verdict: str | None = None
    longest_stall_s: float | None = None
    creation_stack: tuple[CodeLine, ...] = ()
    creation_sampled: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All live tasks and threads, and the same grouped by site and by stack, largest groups first.

    Attributes:
        taken_at: Seconds since the epoch.
        process_id: The process identifier.
        tasks: One picture per task, in order of discovery.
        threads: One picture per thread.
        by_site: One group per creation site and kind.
        by_stack: One group per kind, creation site, stack, wait reason and verdict.
    """

    taken_at: float
    process_id: int
    tasks: tuple[LivePicture, ...]
    threads: tuple[LivePicture, ...]
    by_site: tuple[LiveGroup, ...]
    by_stack: tuple[LiveGroup, ...]
