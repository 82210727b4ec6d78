"""Stuck executors, and executors with a bounded number of workers.

A thread pool has a fixed number of workers, so their number is never evidence of a leak, and no worker outlives its
creator. But a call that never returns occupies its worker, even after the task that awaited it has given up. Once all
workers are occupied, every further call waits forever.

An executor is stuck if calls wait in its queue and each of its workers has been in the same call for the age limit,
asleep at every scan and without using processor time in between.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final
from weakref import ReferenceType, WeakKeyDictionary, ref

from ..census.census import Census
from ..census.scan import Scan
from ..durations import duration_text
from ..record.internals.of_futures import queued_calls, worker_limit, workers_of
from ..record.internals.of_threading import thread_ident, thread_native_id
from ..record.jobs import executor_call_in
from ..record.raw_fields import attributes_of
from ..record.site import Site
from ..record.started import name_of_call
from .introspection.thread_activity import processor_use
from .ownership.ignored import IgnoreList
from .ownership.orphans import SiteOrphans

_MAX_NAMES: Final = 3

Frames = Callable[[], dict[int, FrameType]]
Usage = Callable[[int], str | None]


@dataclass(frozen=True, slots=True)
class _StuckCall:
    """A worker in a call.

    Attributes:
        future: The call's future.
        used: The thread's processor use, or its current instruction if that is unknown.
        since: When the call was first seen in this state, in seconds of the age clock.
        runs: Qualified name of the submitted function.
    """

    future: ReferenceType[Any]
    used: Any
    since: float
    runs: str


class ExecutorWatch:
    """Tracks the calls that the workers of full executors run.

    Args:
        age: Seconds that all workers must have been stuck; the setting ``THREAD_AGE``.
        ignored: Sites ignored by the setting ``IGNORE``.
        frames: A function like ``sys._current_frames``.
        used: A function like `processor_use`.
    """

    def __init__(
        self, age: float, ignored: IgnoreList, frames: Frames = sys._current_frames, used: Usage = processor_use
    ) -> None:
        self._age = age
        self._ignored = ignored
        self._frames = frames
        self._used = used
        self._calls: WeakKeyDictionary[Any, dict[int, _StuckCall]] = WeakKeyDictionary()

    def search(self, census: Census, scan: Scan) -> list[SiteOrphans]:
        """Return the workers of stuck executors by site. The caller holds the census' lock.

        Cost: a microsecond per executor; one stack per worker of executors with waiting calls.
        """
        found: dict[Site, SiteOrphans] = {}
        for executor, site in living_executors(census):
            queued = _calls_that_wait(executor)
            calls = self._calls_of(executor, scan.at) if queued else {}
            if not calls:
                self._calls.pop(executor, None)
                continue
            since = max(call.since for call in calls.values())
            if scan.at - since < self._age or self._ignored.holds_site(site):
                continue
            rows = [row for thread in _workers(executor) if (row := census.threads.row_of(thread)) is not None]
            clause = _evidence(list(calls.values()), scan.at - since, queued)
            here = found.setdefault(site, SiteOrphans(site, [], {}, sum(_live(scan, site)), says_all=True))
            here.rows += rows
            here.evidence.update(dict.fromkeys(rows, clause))
        return [orphans for orphans in found.values() if orphans.rows]

    def _calls_of(self, executor: Any, now: float) -> dict[int, _StuckCall]:
        """Return the call of each worker by thread if every worker is asleep in a call, else an empty dictionary."""
        frames = self._frames()
        before = self._calls.get(executor, {})
        calls: dict[int, _StuckCall] = {}
        for thread in _workers(executor):
            ident = thread_ident(thread)
            frame = frames.get(ident)
            item = None if frame is None else executor_call_in(frame)
            future = attributes_of(item).get("future")
            used: Any = self._used(thread_native_id(thread))
            if frame is None or future is None or used == "":
                return {}
            if used is None:
                used = id(frame), frame.f_lasti
            known = before.get(ident)
            if known is None or known.future() is not future or known.used != used:
                known = _StuckCall(ref(future), used, now, name_of_call(attributes_of(item)))
            calls[ident] = known
        if calls:
            self._calls[executor] = calls
        return calls


def living_executors(census: Census) -> Iterator[tuple[Any, Site]]:
    """Yield the recorded executors that still exist, with their sites."""
    for reference in census.recorder.executor_sites.keyrefs():
        executor = reference()
        site = None if executor is None else census.recorder.executor_sites.get(executor)
        if site is not None:
            yield executor, site


def are_bounded_workers(census: Census, site: Site, limit: int) -> bool:
    """Return whether the threads of a site are workers of few executors, so that their number is bounded.

    Args:
        census: The census.
        site: The site.
        limit: Maximum number of executors. One per request is a leak, and its workers multiply with it.
    """
    return site.executor and sum(1 for _, made_at in living_executors(census) if made_at is site) <= limit


def _workers(executor: Any) -> list[threading.Thread]:
    return list(workers_of(executor))


def _calls_that_wait(executor: Any) -> int:
    """Return the number of calls that wait in the queue of an executor whose workers are at their limit."""
    limit = worker_limit(executor)
    return 0 if limit is None or len(_workers(executor)) < limit else queued_calls(executor) or 0


def _live(scan: Scan, site: Site) -> Iterator[int]:
    return (tally.live for tally in scan.threads if tally.site is site)


def _evidence(calls: list[_StuckCall], stuck_s: float, queued: int) -> str:
    workers = "the only worker" if len(calls) == 1 else f"all {len(calls)} workers"
    runs = sorted({call.runs for call in calls} - {""})
    more = f" and {len(runs) - _MAX_NAMES} more" if len(runs) > _MAX_NAMES else ""
    names = f" ({', '.join(runs[:_MAX_NAMES])}{more})" if runs else ""
    has = "has" if len(calls) == 1 else "have"
    their = "its call" if len(calls) == 1 else "their calls"
    waiting = "1 call waits" if queued == 1 else f"{queued} calls wait"
    return (
        f"{workers} of this executor {has} slept in {their}{names} for {duration_text(stuck_s)}, "
        f"and {waiting} in its queue"
    )
