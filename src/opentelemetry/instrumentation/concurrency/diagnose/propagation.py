"""Who wakes whom: spreads from what is held from outside through the accounts of a closure."""

from __future__ import annotations

from collections.abc import Iterable

from .closure import Accounts


class Propagation:
    """Spreads from what is held to what it reaches; a task is passed only once its waiter was reached.

    Args:
        accounts: The references of the closure.
        exempt: Positions of tasks and their coroutines: whoever holds those wakes nobody.
        tasks: How many of the first positions are tasks.

    Attributes:
        is_awake: By position of a task, whether something wakes it.
    """

    def __init__(self, accounts: Accounts, exempt: set[int], tasks: int) -> None:
        self._accounts = accounts
        self._exempt = exempt
        self._live = bytearray(len(accounts.held))
        self.is_awake = bytearray(tasks)
        self._waiting: dict[int, list[int]] = {}
        for task, waiter in enumerate(accounts.waiters):
            if waiter < 0:
                # It no longer waits, or for something that the walk did not reach.
                self.is_awake[task] = 1
            else:
                self._waiting.setdefault(waiter, []).append(task)
        self.wake([task for task in range(tasks) if self.is_awake[task]], again=True)

    def spread(self, places: Iterable[int]) -> None:
        """Make positions live, and everything that follows."""
        pending = list(places)
        while pending:
            place = pending.pop()
            if self._live[place] or place in self._exempt:
                continue
            self._live[place] = 1
            pending += self._accounts.referents(place)
            pending += self._woken_by(place)

    def wake(self, tasks: Iterable[int], *, again: bool = False) -> None:
        """Make tasks run: what they hold is live, and who awaits them wakes in turn."""
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
        """Return what a task that runs makes live: all that it and its coroutine hold, and whoever awaits it."""
        reached: list[int] = []
        pending = [task]
        while pending:
            opened = pending.pop()
            for place in self._accounts.referents(opened):
                # The coroutine of the task is exempt as long as the task is; another task stays what it is.
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


def stirred_by_collector(accounts: Accounts, roots: Iterable[int], tasks: int) -> list[int]:
    """Return the tasks that may wake once the garbage collector ends those that nobody holds.

    A task that nothing holds but itself and its like is garbage that was not collected yet. It never wakes, but when
    the collector closes its coroutine, ``finally`` and ``with`` let locks go and cancel others: whoever is held and
    waits for something that garbage reaches, or is reached by it, may wake.

    Args:
        accounts: The references of the closure; of tasks, too, ``held`` tells whether others than we hold them.
        roots: Positions of what is held from outside, tasks left out.
        tasks: How many of the first positions are tasks.
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
    stirred = _reached(accounts, garbage)
    waiters = accounts.waiters
    return [
        task
        for task in range(tasks)
        if retained[task] and (stirred[task] or (waiters[task] >= 0 and stirred[waiters[task]]))
    ]


def _reached(accounts: Accounts, start: Iterable[int]) -> bytearray:
    reached = bytearray(len(accounts.held))
    pending = list(start)
    while pending:
        place = pending.pop()
        if not reached[place]:
            reached[place] = 1
            pending += accounts.referents(place)
    return reached
