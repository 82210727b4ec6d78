"""Propagation of wake-ups through a closure, from objects held from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .closure import Accounts
from .wait_graph import connected_parts


class Propagation:
    """Propagates liveness from held objects; passes through a task only once its waiter was reached.

    Args:
        accounts: The references of the closure.
        exempt: Positions of tasks and of the coroutines in their await chains, whose holders cannot wake them.
        chains: By position of a task, the positions of the coroutines in its await chain.
        hosts: By position of a task, the positions of the tasks that can wake it by cancelling it; -1 for one that
            runs.
        cancelling: Positions of objects through which running code ends a task, each with the position of that task.

    Attributes:
        is_awake: By position of a task, whether something wakes it.
    """

    def __init__(
        self,
        accounts: Accounts,
        exempt: set[int],
        chains: Sequence[Sequence[int]],
        hosts: Mapping[int, Sequence[int]],
        cancelling: Sequence[tuple[int, int]] = (),
    ) -> None:
        tasks = len(chains)
        self._accounts = accounts
        self._exempt = exempt
        self._chains = chains
        self._live = bytearray(len(accounts.held))
        self.is_awake = bytearray(tasks)
        self._waiting: dict[int, list[int]] = {}
        for task, waiter in enumerate(accounts.waiters):
            if waiter < 0:
                # The task no longer waits, or it waits for an object that the walk did not reach.
                self.is_awake[task] = 1
            else:
                self._waiting.setdefault(waiter, []).append(task)
        for task, of_task in hosts.items():
            for host in of_task:
                if host < 0:
                    self.is_awake[task] = 1
                else:
                    # The host wakes the member once it runs, not by its reference, as if the member awaited it.
                    self._waiting.setdefault(host, []).append(task)
        for place, task in cancelling:
            self._waiting.setdefault(place, []).append(task)
        self.wake([task for task in range(tasks) if self.is_awake[task]], again=True)

    def spread(self, places: Iterable[int]) -> None:
        """Mark positions as live, with everything that follows from it."""
        pending = list(places)
        while pending:
            place = pending.pop()
            if self._live[place] or place in self._exempt:
                continue
            self._live[place] = 1
            pending += self._accounts.referents(place)
            pending += self._woken_by(place)

    def places(self) -> Iterator[int]:
        """Yield the positions of live objects."""
        return (place for place, is_live in enumerate(self._live) if is_live and place not in self._exempt)

    def wake(self, tasks: Iterable[int], *, again: bool = False) -> None:
        """Mark tasks as running: the objects that they hold are live, and tasks that await them wake in turn."""
        pending: list[int] = []
        for task in tasks:
            if again or not self.is_awake[task]:
                self.is_awake[task] = 1
                pending += self._opened(task)
        self.spread(pending)

    def _woken_by(self, place: int) -> list[int]:
        reached: list[int] = []
        for task in self._waiting.get(place, ()):
            if not self.is_awake[task]:
                self.is_awake[task] = 1
                reached += self._opened(task)
        return reached

    def _opened(self, task: int) -> list[int]:
        """Return the positions of the objects that become live when a task runs, including those of its awaiters."""
        reached: list[int] = []
        pending = [task]
        while pending:
            opened = pending.pop()
            for place in self._chains[opened]:
                if not self._live[place]:
                    self._live[place] = 1
                    reached += self._accounts.referents(place)
            for place in self._accounts.referents(opened):
                # The task's coroutine was exempt only together with the task; other tasks remain exempt.
                if place in self._exempt and place >= len(self.is_awake) and not self._live[place]:
                    self._live[place] = 1
                    reached += self._accounts.referents(place)
                else:
                    reached.append(place)
            for waiting in self._waiting.get(opened, ()):
                if not self.is_awake[waiting]:
                    self.is_awake[waiting] = 1
                    pending.append(waiting)
        return reached


def woken_by_collector(accounts: Accounts, roots: Iterable[int], tasks: int) -> list[int]:
    """Return the tasks that may wake when the garbage collector finalizes unreferenced tasks.

    A task that is held only by itself and others like it is garbage that has not been collected yet. It never wakes,
    but when the collector closes its coroutine, ``finally`` and ``with`` release locks and cancel other tasks. A task
    may therefore wake if garbage reaches the task or the object that it waits for, and is not reached by it: garbage in
    a cycle with the task, or behind it, is collected with the task or after it.

    Args:
        accounts: The references of the closure; for tasks, ``held`` excludes the references of this package.
        roots: Positions of objects held from outside, without tasks.
        tasks: Number of tasks at the first positions.
    """
    directly = [task for task in range(tasks) if accounts.held[task]]
    if len(directly) == tasks:
        return []
    retained = _reached(
        accounts, [*directly, *roots, *(p for p in range(tasks, len(accounts.held)) if accounts.held[p])]
    )
    garbage = [task for task in range(tasks) if not retained[task]]
    if not garbage:
        return []
    reached = _reached(accounts, garbage)
    edges = {place: accounts.referents(place) for place, is_reached in enumerate(reached) if is_reached}
    behind = _behind_other_parts(edges, connected_parts(edges), set(garbage))
    waiters = accounts.waiters
    return [task for task in range(tasks) if task in behind or waiters[task] in behind]


def _behind_other_parts(
    edges: Mapping[int, Sequence[int]], parts: Sequence[Sequence[int]], garbage: set[int]
) -> set[int]:
    """Return the positions that a garbage task reaches without being reached from them.

    Args:
        edges: By position, the positions that an object refers to.
        parts: The strongly connected components, each after those that it leads to.
        garbage: Positions of the garbage tasks.
    """
    behind: set[int] = set()
    for part in reversed(parts):
        if garbage.isdisjoint(part) and behind.isdisjoint(part):
            continue
        members = set(part)
        behind.update(ahead for place in part for ahead in edges[place] if ahead not in members)
        if not behind.isdisjoint(members):
            behind |= members
    return behind


def _reached(accounts: Accounts, start: Iterable[int]) -> bytearray:
    reached = bytearray(len(accounts.held))
    pending = list(start)
    while pending:
        place = pending.pop()
        if not reached[place]:
            reached[place] = 1
            pending += accounts.referents(place)
    return reached
