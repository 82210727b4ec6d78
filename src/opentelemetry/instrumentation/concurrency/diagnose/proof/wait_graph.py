"""The wait-for graph of tasks, and its deadlocks.

An edge leads from a task to each task that it cannot continue without: awaited directly, behind `asyncio.shield`, or
among the children of `asyncio.gather`. Waits in `asyncio.wait` and for locks are not edges: the former may continue
with any of several tasks, and a lock has no record of its holder. Each cycle of edges is therefore certainly a
deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..introspection.known_waits import children_of, is_future, is_gather, is_pending, is_task, shielded_by, waiter_of
from ..ownership.owners import owners_of

_MAX_FUTURES: Final = 10_000
"""Maximum number of futures followed per task; a wider gather is cut there."""


def awaited_tasks(task: object, *, behind_shields: bool = True) -> list[Any]:
    """Return the pending tasks that ``task`` cannot continue without. Never raises.

    Args:
        task: The task.
        behind_shields: Whether to include tasks behind `asyncio.shield`, which are not cancelled with ``task``.

    Cost: one microsecond, and half a microsecond per child of a ``gather``.
    """
    found: list[Any] = []
    try:
        pending = [waiter_of(task)]
        seen: set[int] = set()
        while pending and len(seen) < _MAX_FUTURES:
            future = pending.pop()
            if future is None or id(future) in seen or not is_pending(future):
                continue
            seen.add(id(future))
            if is_task(future):
                found.append(future)
            elif is_gather(future):
                pending += children_of(future)
            elif behind_shields:
                pending.append(shielded_by(future))
    except Exception:  # noqa: BLE001, S110 (inspection must not fail, whatever the inspected objects do)
        pass
    return found


def awaiting_tasks(task: object) -> list[Any]:
    """Return the pending tasks that await a task, directly or through gathers, shields and other futures.

    Cost: proportional to the number of its done callbacks.
    """
    owners: dict[int, Any] = {}
    awaited, pending = {id(task): task}, [task]
    while pending:
        for owner in owners_of(pending.pop()):
            if is_task(owner):
                owners[id(owner)] = owner
            elif is_future(owner) and id(owner) not in awaited:
                awaited[id(owner)] = owner
                pending.append(owner)
    # The host of a task group waits for a future of the group. From 3.14 on, owners behind futures come directly too.
    return [owner for owner in owners.values() if id(waiter_of(owner)) in awaited]


def awaits_itself(task: object) -> bool:
    """Return whether a task is in an await cycle. Never raises. Cost: some microseconds per task that it awaits."""
    pending, seen = awaited_tasks(task), set[int]()
    while pending and len(seen) < _MAX_FUTURES:
        found = pending.pop()
        if found is task:
            return True
        if id(found) not in seen:
            seen.add(id(found))
            pending += awaited_tasks(found)
    return False


def deadlocks(edges: Mapping[int, Iterable[int]]) -> list[tuple[int, ...]]:
    """Return cycles of a wait-for graph, in which each task awaits the next and the last one awaits the first.

    Args:
        edges: By number of a task, the numbers of the tasks that it awaits.

    Returns:
        One cycle per strongly connected component: if it has several, the shortest through its lowest number. Each
        cycle starts with its lowest number, and the cycles are sorted.

    Cost: O(tasks + edges), without recursion (Tarjan 1972).
    """
    cycles = []
    for part in connected_parts(edges):
        members = set(part)
        first = min(part)
        cycle = _shortest_cycle(first, members, edges)
        if cycle is not None:
            cycles.append(cycle)
    return sorted(cycles)


def connected_parts(edges: Mapping[int, Iterable[int]]) -> list[list[int]]:
    """Return the strongly connected components of a graph, each after those that it leads to (Tarjan 1972).

    Args:
        edges: By number of a node, the numbers of the nodes that it leads to.

    Cost: O(nodes + edges), without recursion.
    """
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    parts: list[list[int]] = []
    for root in edges:
        if root in number:
            continue
        work: list[tuple[int, Any]] = [(root, iter(edges.get(root, ())))]
        number[root] = low[root] = len(number)
        path.append(root)
        on_path.add(root)
        while work:
            task, following = work[-1]
            ahead = next(following, None)
            if ahead is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[task])
                if low[task] == number[task]:
                    parts.append(_pop_part(task, path, on_path))
            elif ahead not in number:
                number[ahead] = low[ahead] = len(number)
                path.append(ahead)
                on_path.add(ahead)
                work.append((ahead, iter(edges.get(ahead, ()))))
            elif ahead in on_path:
                low[task] = min(low[task], number[ahead])
    return parts


def _pop_part(task: int, path: list[int], on_path: set[int]) -> list[int]:
    part = []
    while True:
        member = path.pop()
        on_path.discard(member)
        part.append(member)
        if member == task:
            return part


def _shortest_cycle(first: int, members: set[int], edges: Mapping[int, Iterable[int]]) -> tuple[int, ...] | None:
    came_from: dict[int, int] = {}
    queue: Sequence[int] = [first]
    while queue:
        following: list[int] = []
        for task in queue:
            for ahead in edges.get(task, ()):
                if ahead == first:
                    return _way_back(task, came_from)
                if ahead in members and ahead not in came_from:
                    came_from[ahead] = task
                    following.append(ahead)
        queue = following
    return None


def _way_back(last: int, came_from: Mapping[int, int]) -> tuple[int, ...]:
    cycle = [last]
    while cycle[-1] in came_from:
        cycle.append(came_from[cycle[-1]])
    return tuple(reversed(cycle))
