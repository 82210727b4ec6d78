"""Finished tasks that a collection keeps, by the name of the collection and the coroutine function that they ran.

A finished task holds its result or its exception with all frames. A list to which a service appends every task, and
from which it removes none, grows for ever though nothing waits. Such tasks are no longer live, so no scan counts them;
they are searched in the collections that module variables of the application reach, now and then and on request.

- Local variables do not count: they hold the tasks that a function is about to collect.
- A collection is reported if its number of finished tasks has risen by `LEAST` since an earlier search and never fell
  between two searches. The tasks of a batch are removed at its end.
- The walk has the limit of the walk to holders. Collections beyond it are not found.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from types import CodeType
from typing import Any, Final, NamedTuple

from ...census.census import Census
from ...record.interpreter import FREE_THREADED
from ...record.raw_fields import c_field
from ..introspection.fields import plain_text
from ..introspection.known_waits import coroutine_of, is_pending, is_task
from ..proof.closure import Cut
from ..proof.schedule import ProofSchedule
from .collections import entries_of, is_collection, iterate
from .holders import path_text
from .named_walk import NamedWalk, Root

LEAST: Final = 100
"""Number of finished tasks from which on a collection is watched, and by which it must grow to be reported."""
_MOST_ENTRIES: Final = 1_000_000
_SLICE: Final = 1_000
_MOST_NAMED: Final = 1_000
"""Number of finished tasks of a collection whose coroutine functions are compared."""


@dataclass(frozen=True, slots=True)
class FinishedTasks:
    """Finished tasks in one collection.

    Attributes:
        held_by: Name of the collection.
        count: Number of finished tasks in it.
        function: Qualified name of the coroutine function that most of them ran; empty if unknown.
        path: Absolute path of its file; empty if unknown.
        line: Its first line.
        before: Number of finished tasks in it at the first search.
        over_s: Seconds since that search.
    """

    held_by: str
    count: int
    function: str = ""
    path: str = ""
    line: int = 0
    before: int = 0
    over_s: float = 0.0


class _Known(NamedTuple):
    """The first number of finished tasks of a collection with its time, and the last number."""

    first: int
    at: float
    last: int


class FinishedWatch:
    """Remembers the collections that keep finished tasks from one search to the next.

    Args:
        interval_s: Seconds between two searches in the background; 0 for searches on request only.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._searched_at: float | None = None
        self._known: dict[str, _Known] = {}

    def scan(self, census: Census, now: float, proofs: ProofSchedule, pause: Callable[[], None]) -> None:
        """Search if that is due and there is CPU time for it. The caller holds the census' lock.

        Args:
            census: The census.
            now: Seconds of the age clock.
            proofs: Provides the CPU time.
            pause: Called often between slices of work, to let the event loop run.
        """
        is_due = self._searched_at is None or now - self._searched_at >= self._interval_s
        if self._interval_s and is_due and census.recorder.task_sites.sites and proofs.can_afford(now):
            began = time.thread_time()
            self.search(census, now, pause)
            proofs.spent_s += time.thread_time() - began

    def search(self, census: Census, now: float, pause: Callable[[], None]) -> list[FinishedTasks]:
        """Search now and return the collections whose number of finished tasks keeps rising, largest first.

        Args:
            census: The census; its lock is held.
            now: Seconds of the age clock.
            pause: Called often between slices of work, to let the event loop run.

        Cost: some 50 ms for the walk, 1 µs per task and 0.1 µs per other entry of the collections that it reaches.
        """
        self._searched_at = now
        known, self._known = self._known, {}
        rising = []
        for found in finished_tasks(census.loops, pause):
            before = known.get(found.held_by)
            if before is None or found.count < before.last:
                before = _Known(found.count, now, found.count)
            self._known[found.held_by] = before._replace(last=found.count)
            if found.count - before.first >= LEAST:
                rising.append(replace(found, before=before.first, over_s=now - before.at))
        return rising


def finished_tasks(loops: Iterable[Any], pause: Callable[[], None]) -> list[FinishedTasks]:
    """Return the collections that keep finished tasks, largest first, one per name. Never raises.

    Args:
        loops: The event loops, at which the walk stops.
        pause: Called often between slices of work, to let the event loop run.
    """
    if FREE_THREADED:
        return []
    try:
        return _search(loops, pause)
    except Exception:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return []


def _search(loops: Iterable[Any], pause: Callable[[], None]) -> list[FinishedTasks]:
    nothing: frozenset[Any] = frozenset()
    walk = NamedWalk(nothing, nothing, Cut(loops), pause)
    walk.walk((), (), lambda: False)
    found: dict[str, FinishedTasks] = {}
    for place, each in enumerate(walk.objects):
        if type(each) is Root or not is_collection(each) or entries_of(each) < LEAST:
            continue
        path = walk.path_at(place)
        if path[0].name.endswith("()"):
            continue
        count, ran = _finished_in(each, pause)
        if count >= LEAST:
            code, name = max(ran, key=ran.__getitem__)
            where = ("", 0) if code is None else (code.co_filename, code.co_firstlineno)
            held_by = path_text(path, keeps_index=False)
            # Entries of one collection have equal names; the largest stands for them.
            if held_by not in found or found[held_by].count < count:
                found[held_by] = FinishedTasks(held_by, count, name, *where)
    return sorted(found.values(), key=lambda one: -one.count)


def _finished_in(collection: Any, pause: Callable[[], None]) -> tuple[int, Counter[tuple[CodeType | None, str]]]:
    """Return the number of finished tasks of a collection, and what the first of them ran."""
    ran: Counter[tuple[CodeType | None, str]] = Counter()
    count = 0
    for task in _tasks_in(collection, pause):
        if not is_pending(task):
            count += 1
            if count <= _MOST_NAMED:
                ran[_coroutine(task)] += 1
    return count, ran


def _tasks_in(collection: Any, pause: Callable[[], None]) -> Iterator[Any]:
    entries = iterate(collection)
    for _ in range(0, _MOST_ENTRIES, _SLICE):
        try:
            part = list(islice(entries, _SLICE))
        except RuntimeError:  # it was changed meanwhile
            return
        if not part:
            return
        yield from filter(is_task, part)
        # No entry is kept alive during a pause.
        part.clear()
        pause()


def _coroutine(task: Any) -> tuple[CodeType | None, str]:
    coroutine = coroutine_of(task)
    name, code = c_field(type(coroutine), "__qualname__"), c_field(type(coroutine), "cr_code")
    found = None if code is None else code.__get__(coroutine)
    text = "" if name is None else plain_text(name.__get__(coroutine)).replace("<locals>.", "")
    return (found if type(found) is CodeType else None), text
