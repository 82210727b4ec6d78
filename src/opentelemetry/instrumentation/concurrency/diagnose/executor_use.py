"""Use of executors by site: busy and idle workers, their limit, queued calls, and the age of the oldest of these.

Nothing is recorded when a call is submitted. A work item has no time, so its age is derived from the scans: the newest
item of the queue is marked at each scan, and the oldest marked item that still waits gives the age. It is therefore too
small by at most the time between two marks: a scan interval, or a tenth of the age of an old queue.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import CodeType
from typing import Any, Final, NamedTuple
from weakref import ReferenceType

from ..census.census import Census
from ..census.pace import in_slices
from ..record.greenlets import threads_are_greenlets
from ..record.internals.of_futures import (
    is_queued,
    is_shut_down,
    newest_call,
    queued_calls,
    worker_code,
    worker_limit,
    workers_of,
)
from ..record.internals.of_threading import thread_ident
from ..record.site import Site
from .executors import Frames

MAX_ROWS: Final = 200
"""Maximum number of sites in a list of executors."""
_MAX_MARKS: Final = 128


@dataclass(slots=True)
class ExecutorUse:
    """The executors of a site.

    Attributes:
        executors: Number of executors.
        idle: Number of workers that wait for a call.
        busy: Number of workers that run one.
        limit: Maximum number of workers of all of them.
        queued: Number of calls that wait for a worker.
        oldest_queued_at: When the oldest of these was first seen, in seconds of the age clock; None without any.
    """

    executors: int = 0
    idle: int = 0
    busy: int = 0
    limit: int = 0
    queued: int = 0
    oldest_queued_at: float | None = None

    def add(self, other: ExecutorUse) -> None:
        """Add the executors of another site."""
        self.executors += other.executors
        self.idle += other.idle
        self.busy += other.busy
        self.limit += other.limit
        self.queued += other.queued
        ages = [at for at in (self.oldest_queued_at, other.oldest_queued_at) if at is not None]
        self.oldest_queued_at = min(ages, default=None)


Marks = list[tuple["ReferenceType[Any]", float]]


class ExecutorUses:
    """Reads the use of all recorded executors. Takes no lock of an executor or of its queue.

    Args:
        frames: A function like ``sys._current_frames``.
    """

    def __init__(self, frames: Frames = sys._current_frames) -> None:
        self._frames = frames
        self._marks: dict[ReferenceType[Any], Marks] = {}

    def scan(self, census: Census, now: float, pause: Callable[[], None]) -> dict[Site, ExecutorUse]:
        """Return the use by site; empty if threads are greenlets, whose frames are unknown.

        Args:
            census: The census.
            now: The time of the scan, in seconds of the age clock.
            pause: Called between slices of work.

        Cost: a microsecond per thread of the process, a few per executor, and a millisecond for 100,000 queued calls.
        """
        sites = census.recorder.executor_sites
        if not sites or threads_are_greenlets():
            return {}
        codes = self._innermost_codes()
        marks: dict[ReferenceType[Any], Marks] = {}
        uses: dict[Site, ExecutorUse] = {}
        # Looking up an executor would run the hash of its class.
        known: dict[ReferenceType[Any], Site] = sites.data  # type: ignore[attr-defined]  # not in typeshed
        for reference, site in in_slices(list(known.items()), pause):
            executor = reference()
            if executor is None:
                continue
            use = self._use_of(executor, codes)
            if use.queued:
                left = marks[reference] = _marked(self._marks.get(reference, []), executor, use.queued, now)
                use.oldest_queued_at = left[0][1] if left else None
            if use.executors:
                uses.setdefault(site, ExecutorUse()).add(use)
        self._marks = marks
        return uses

    def _innermost_codes(self) -> dict[int, CodeType]:
        """Return the innermost code of every thread, without keeping frames."""
        frames = self._frames()
        return dict(zip(frames, map(attrgetter("f_code"), frames.values()), strict=True))

    def _use_of(self, executor: Any, codes: dict[int, CodeType]) -> ExecutorUse:
        waiting_in = worker_code()
        running = [
            code for thread in list(workers_of(executor)) if (code := codes.get(thread_ident(thread))) is not None
        ]
        if is_shut_down(executor) and not running:
            return ExecutorUse()
        idle = sum(code is waiting_in for code in running)
        limit, queued = worker_limit(executor) or 0, queued_calls(executor) or 0
        return ExecutorUse(1, idle, len(running) - idle, limit, queued)


class ExecutorRows(NamedTuple):
    """The use of executors by site, at most `MAX_ROWS`, and the number of sites beyond that."""

    rows: list[dict[str, Any]]
    left_out: int


def executor_rows(uses: Mapping[Site, ExecutorUse], now: float) -> ExecutorRows:
    """Return the use of executors as plain values, the longest queue first.

    Args:
        uses: The use by site.
        now: The time at which the ages are taken, in seconds of the age clock.
    """
    made: dict[tuple[Any, ...], tuple[Site, ExecutorUse]] = {}
    for site, use in list(uses.items()):
        key = site.function, site.path, site.line, site.runs, tuple(site.via)
        made.setdefault(key, (site, ExecutorUse()))[1].add(use)
    largest = sorted(made.values(), key=lambda each: (-each[1].queued, -each[1].busy, each[0].function))
    rows = [_row(site, use, now) for site, use in largest[:MAX_ROWS]]
    return ExecutorRows(rows, len(largest) - len(rows))


def _row(site: Site, use: ExecutorUse, now: float) -> dict[str, Any]:
    oldest_at = use.oldest_queued_at
    return {
        "kind": site.kind,
        "function": site.function,
        "path": site.path,
        "line": site.line,
        "runs": site.runs,
        "via": [{"function": line.function, "path": line.path, "line": line.line} for line in site.via],
        "executors": use.executors,
        "idle": use.idle,
        "busy": use.busy,
        "limit": use.limit,
        "queued": use.queued,
        "oldest_queued_s": 0.0 if oldest_at is None else round(max(0.0, now - oldest_at), 1),
    }


def _marked(marks: Marks, executor: Any, queued: int, now: float) -> Marks:
    """Return the marks of items that still wait, oldest first, with a mark of the newest item."""
    left = [(item, at) for item, at in marks if is_queued(item())]
    newest = newest_call(executor, queued)
    if newest is not None and (not left or left[-1][0] is not newest):
        left.append((newest, now))
    if len(left) > _MAX_MARKS:
        # Remove the inner mark without which the gap is smallest in relation to its age.
        at = [mark[1] for mark in left]
        del left[min(range(1, len(at) - 1), key=lambda here: (at[here + 1] - at[here - 1]) / (now - at[here - 1]))]
    return left
