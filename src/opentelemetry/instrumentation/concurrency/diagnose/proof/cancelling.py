"""Tasks that end because another one is cancelled or fails: members of task groups, their hosts, what these await.

The host of a task group cancels its members, a member that fails cancels the host, and a cancelled task cancels the
tasks that it awaits, except behind `asyncio.shield`. Whether a member fails is not known: anything that runs and can
reach the group counts. Cancelling a task of an await cycle fails, so that such tasks are immune.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...record.internals.of_futures import has_waiting_thread, is_concurrent_future
from ...record.raw_fields import type_name
from ..introspection.fields import attribute_of, is_a
from ..introspection.known_waits import is_pending
from ..ownership.owners import ANYIO_HOST, ANYIO_SCOPE, group_hosts, linked_concurrent_future
from .wait_graph import awaited_tasks, deadlocks


@dataclass(frozen=True, slots=True)
class Cancellers:
    """The tasks that can cancel others; holds no task alive.

    Attributes:
        by_task: By address of a task, the addresses of the tasks that end it when they run.
        immune: Addresses of tasks whose cancellation fails.
        awaited_by: By address of another task, the addresses of the tasks that await it.
    """

    by_task: Mapping[int, Sequence[int]]
    immune: frozenset[int]
    awaited_by: Mapping[int, Sequence[int]]

    def in_batch(self, batch: Sequence[Any]) -> dict[int, list[int]]:
        """Return both sides as positions in a batch; -1 for a canceller of another batch, which counts as running.

        So does a task of another batch that awaits one of this batch: what ends the former is found only beside it.
        """
        places = {id(task): place for place, task in enumerate(batch)}
        found: dict[int, list[int]] = {}
        for address, place in places.items():
            cancellers = [places.get(canceller, -1) for canceller in self.by_task.get(address, ())]
            if any(awaiting not in places for awaiting in self.awaited_by.get(address, ())):
                cancellers.append(-1)
            if cancellers:
                found[place] = cancellers
        return found

    def reached_from(self, awake: set[int], examined: set[int]) -> set[int]:
        """Return ``awake`` with all tasks that those, or cancellers that are not examined, end."""
        ended_by: dict[int, list[int]] = {}
        for task, cancellers in self.by_task.items():
            for canceller in cancellers:
                ended_by.setdefault(canceller, []).append(task)
        reached = set(awake)
        pending = [*awake, *(ended_by.keys() - examined)]
        while pending:
            for task in ended_by.get(pending.pop(), ()):
                if task not in reached:
                    reached.add(task)
                    pending.append(task)
        return reached


def cancellers_among(tasks: Sequence[Any], left_behind: Callable[[Any], bool]) -> Cancellers:
    """Return the cancellers of the members of task groups, and of what these await.

    Args:
        tasks: Suspended tasks.
        left_behind: Returns whether a member of a task group outlived its creator, so that its host is no canceller.
    """
    numbers = {id(task): number for number, task in enumerate(tasks)}
    awaits = {
        number: [numbers[id(each)] for each in awaited_tasks(task, behind_shields=False) if id(each) in numbers]
        for number, task in enumerate(tasks)
    }
    immune = {number for cycle in deadlocks(awaits) for number in cycle}
    by_task: dict[int, list[int]] = {}
    awaited_by: dict[int, list[int]] = {}
    for number, task in enumerate(tasks):
        for awaited in awaits[number]:
            if awaited not in immune:
                awaited_by.setdefault(id(tasks[awaited]), []).append(id(task))
        hosts = group_hosts(task)
        if hosts and number not in immune and not left_behind(task):
            by_task.setdefault(id(task), []).extend(map(id, hosts))
            _add_awaited(number, tasks, awaits, immune, by_task)
    return Cancellers(by_task, frozenset(id(tasks[number]) for number in immune), awaited_by)


def _add_awaited(
    first: int,
    tasks: Sequence[Any],
    awaits: Mapping[int, Sequence[int]],
    immune: set[int],
    by_task: dict[int, list[int]],
) -> None:
    """Add that a task ends what it awaits, and so on."""
    pending, seen = [first], {first}
    while pending:
        number = pending.pop()
        for awaited in awaits[number]:
            if awaited not in immune:
                by_task.setdefault(id(tasks[awaited]), []).append(id(tasks[number]))
                if awaited not in seen:
                    seen.add(awaited)
                    pending.append(awaited)


def cancelling_objects(
    objects: Sequence[Any],
    index: Mapping[int, int],
    batch: Sequence[Any],
    cancellers: Cancellers,
    in_variables: Callable[[int], bool],
) -> list[tuple[int, int]]:
    """Return the positions of objects through which running code ends a task, each with the position of that task.

    These are task groups, whose failing members cancel the host, and the futures of ``run_coroutine_threadsafe`` that
    a thread waits for, or is about to wait for, as it may cancel them after a time. A future that is merely kept is
    like a task that is kept.

    Args:
        objects: The closure, which begins with the batch.
        index: Positions of the closure, by address.
        batch: The examined tasks.
        cancellers: Provides the tasks whose cancellation fails.
        in_variables: Returns whether the object at a position may be in a variable of a thread that handles futures.
    """
    named: dict[int, bool] = {}
    found = []
    for place, each in enumerate(objects):
        kind = type(each)
        is_named = named.get(id(kind))
        if is_named is None:
            # The objects keep their types alive.
            is_named = named[id(kind)] = type_name(kind) == "TaskGroup"
        if is_named:
            host = _host_of(each)
            position = index.get(id(host), len(batch))
            if position < len(batch) and id(host) not in cancellers.immune:
                found.append((place, position))
    for position, task in enumerate(batch):
        future = linked_concurrent_future(task)
        place = -1 if future is None else index.get(id(future), -1)
        if place >= 0 and (in_variables(place) or has_waiting_thread(future)):
            found.append((place, position))
    return found


def none_that_ends_tasks(objects: Iterable[Any]) -> Iterator[Any]:
    """Yield objects without those through which running code can end a task: every closure must contain these."""
    # By address, because a metaclass may define its own hash; the objects keep their types alive.
    ends: dict[int, bool] = {}
    for found in objects:
        kind = type(found)
        if id(kind) not in ends:
            ends[id(kind)] = type_name(kind) == "TaskGroup" or is_concurrent_future(kind)
        if not ends[id(kind)]:
            yield found


def ended_with(
    batch: Sequence[Any], cancelling: Sequence[tuple[int, int]], index: Mapping[int, int]
) -> dict[int, list[int]]:
    """Return, by position of a task that such a task awaits, the position of the latter, with which it ends."""
    ended: dict[int, list[int]] = {}
    for host in {task for _, task in cancelling}:
        for awaited in awaited_tasks(batch[host], behind_shields=False):
            place = index.get(id(awaited), len(batch))
            if place < len(batch):
                ended.setdefault(place, []).append(host)
    return ended


def _host_of(group: Any) -> Any:
    if is_a(group, "TaskGroup", "asyncio"):
        host = attribute_of(group, "_parent_task")
    elif is_a(group, "TaskGroup", "anyio"):
        host = attribute_of(attribute_of(group, ANYIO_SCOPE), ANYIO_HOST)
    else:
        return None
    return host if is_pending(host) else None
