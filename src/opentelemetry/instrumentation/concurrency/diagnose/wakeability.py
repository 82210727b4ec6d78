"""The proof: which tasks can never wake again, because nothing that still runs holds what they wait for.

Go's ``goroutineleak`` profile, for asyncio. A suspended task wakes when somebody completes its waiter. If the waiter is
held by suspended tasks alone, which nobody wakes either, then nobody ever will. Whoever holds the task itself (a
``background_tasks`` set) can cancel it, never wake it, and so does not count; a live timer or callback of the loop that
leads to the task does, because it may have been made to cancel it. A task that awaits a task is as wakeable as that
one; tasks that await each other in a circle wake never.

Sound before complete: whatever cannot be accounted for counts as able to wake.

* All tasks that are not asked about, and all that an event loop is asked to run until done, count as running.
* An object with more references than accounted for, or with a weak reference that is not ours, counts as held by
  something that runs: a frame, a thread, a module, C code.
* A closure too large to be read in one instant, an event loop that does not show its handles, and an interpreter
  without a global lock give no verdict, and say so.
* Only what two proofs in a row agree on, with the same waiter, is reported: being stuck is stable.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import ReferenceType, ref

from .closure import MAX_OBJECTS, Closure, Cut, Pace, TooMuchWorkError, account
from .held_from_outside import hung_on_tasks, kept_by_objects, roots
from .known_waits import c_field, coroutine_of, is_pending, is_task, known_asyncio, type_name, waiter_of
from .loop_handles import Handles, handles_of, runs_until_done, timers_of_threads
from .propagation import Propagation, stirred_by_collector
from .stalls import StallMark
from .wait_graph import awaited_tasks, deadlocks
from .woken_by_handles import tasks_woken_by

_ATTEMPTS: Final = 3
_LISTS_OF_OURS: Final = 2
"""Lists that hold each task while its references are counted: all that are asked about, and those of its batch."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """One task that was found unable to wake.

    Attributes:
        task: The task.
        waiter: What it waits for; our own kind of weak reference.
    """

    task: ReferenceType[Any]
    waiter: StallMark


@dataclass(frozen=True, slots=True)
class Proof:
    """What one proof found.

    Attributes:
        stuck: The tasks that cannot wake, in the order they were asked about.
        cycles: Those of them that await each other, each as one circle.
        undecided: Why there is no verdict on some or all of them, for people; empty if there is.
        examined: How many suspended tasks were judged.
    """

    stuck: tuple[Stuck, ...] = ()
    cycles: tuple[tuple[ReferenceType[Any], ...], ...] = ()
    undecided: str = ""
    examined: int = 0

    @property
    def unwakeable(self) -> tuple[ReferenceType[Any], ...]:
        """The tasks that cannot wake."""
        return tuple(each.task for each in self.stuck)


def prove(suspects: Iterable[Any], *, loops: Iterable[Any] = (), pause: Callable[[], None] = lambda: None) -> Proof:
    """Run one proof over suspended tasks and what they await. Never raises.

    Args:
        suspects: asyncio tasks; those that are done or running are left out. An iterator that holds none of them: what
            the caller alone holds could not be told from what the application holds, and the garbage collector ends.
        loops: Event loops whose timers count as well, besides those that the tasks belong to.
        pause: Called often between slices of work, to let the event loop run.

    Cost: about 100 µs a task; at most some 10 ms at a stretch without another thread.
    """
    if _is_free_threaded():
        return Proof(undecided="this interpreter has no global lock, so references cannot be counted in one instant")
    try:
        return _prove(suspects, loops, Pace(pause))
    except TooMuchWorkError:
        return Proof(undecided="the suspended tasks and timers reach more than can be looked at in ten seconds")
    except Exception as error:  # noqa: BLE001 (an observer must not fail because of what it observes)
        return Proof(undecided=f"the proof failed with {type(error).__name__}")


def proof_on_demand(
    suspects: Iterable[Any], *, loops: Iterable[Any] = (), pause: Callable[[], None] = lambda: None
) -> Proof:
    """Run two proofs, as `prove` does, and return what both agree on. Never raises."""
    memory, loops = ProofMemory(), list(loops)
    references = [ref(each) for each in suspects if is_task(each)]
    memory.confirm(prove(alive(references), loops=loops, pause=pause))
    second = prove(alive(references), loops=loops, pause=pause)
    return Proof(memory.confirm(second), second.cycles, second.undecided, second.examined)


def alive(references: Iterable[ReferenceType[Any]]) -> Iterator[Any]:
    """Yield what weak references refer to, and hold none of it."""
    return (found for reference in references if (found := reference()) is not None)


class ProofMemory:
    """Remembers the last proof, because only what two in a row agree on counts."""

    def __init__(self) -> None:
        self._last: dict[int, Stuck] = {}

    def confirm(self, proof: Proof) -> tuple[Stuck, ...]:
        """Return those of a proof that the one before found as well, with the same waiter."""
        before, self._last = self._last, {}
        confirmed = []
        for stuck in proof.stuck:
            task, waiter = stuck.task(), stuck.waiter()
            if task is None or waiter is None:
                continue
            self._last[id(task)] = stuck
            known = before.get(id(task))
            if known is not None and known.task() is task and known.waiter() is waiter:
                confirmed.append(stuck)
        return tuple(confirmed)

    def forget(self) -> None:
        """Forget the last proof."""
        self._last = {}


def evidence(cycle: Sequence[ReferenceType[Any]]) -> str:
    """Return how we know that a task can never wake, as a clause for people.

    Args:
        cycle: The circle of tasks that it is in; empty for none.
    """
    if len(cycle) == 1:
        return "it awaits itself"
    if cycle:
        others = len(cycle) - 1
        return f"it and {others} other task{'' if others == 1 else 's'} await each other in a circle"
    return "nothing that still runs holds what it waits for"


def _is_free_threaded() -> bool:
    enabled: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED")) or (enabled is not None and not enabled())


def _prove(suspects: Iterable[Any], other_loops: Iterable[Any], pace: Pace) -> Proof:
    tasks = [task for task in suspects if _can_be_read(task) and is_pending(waiter_of(task))]
    examined = len(tasks)
    tasks = _with_awaited(tasks)
    loops = {id(loop): loop for task in tasks if (loop := _loop_of(task)) is not None}
    reasons: set[str] = set()
    handles = _handles_of_all(loops, reasons)
    tasks = [task for task in tasks if id(_loop_of(task)) in handles and not runs_until_done(task)]
    cut = Cut(loops.values())
    elsewhere = [found for loop in other_loops if id(loop) not in loops and (found := handles_of(loop)) is not None]
    woken = tasks_woken_by([*handles.values(), *elsewhere, timers_of_threads()], cut, pace)
    if woken is None:
        return Proof(undecided="the live timers and connections reach more than can be looked at", examined=examined)
    stuck: dict[int, Stuck] = {}
    for batch in _batches(tasks, cut, pace, reasons):
        for task in _judge(batch, cut, woken, loops.values(), pace, reasons):
            waiter = waiter_of(task)
            if waiter is not None:
                stuck[id(task)] = Stuck(ref(task), StallMark(waiter, callable))
        task = waiter = None
    found_stuck = tuple(stuck[id(task)] for task in tasks if id(task) in stuck)
    cycles = _cycles([task for task in tasks if id(task) in stuck])
    return Proof(found_stuck, cycles, "; ".join(sorted(reasons)), examined)


def _can_be_read(task: Any) -> bool:
    """Tell whether a task's fields are asyncio's own, and not overridden by the application's class."""
    if not is_task(task):
        return False
    kind = type(task)
    known = known_asyncio()
    if known is not None and issubclass(kind, known.py_task):
        return True
    return c_field(kind, "_fut_waiter") is not None and c_field(kind, "_loop") is not None


def _handles_of_all(loops: dict[int, Any], reasons: set[str]) -> dict[int, Handles]:
    handles: dict[int, Handles] = {}
    for address, loop in loops.items():
        found = handles_of(loop)
        if found is None:
            reasons.add(f"an event loop of type {type_name(type(loop))} does not show its handles")
        else:
            handles[address] = found
    return handles


def _with_awaited(tasks: list[Any]) -> list[Any]:
    """Return tasks with those that they await, directly and further on."""
    found, seen = list(tasks), set(map(id, tasks))
    for task in found:
        for awaited in awaited_tasks(task):
            if id(awaited) not in seen and is_pending(waiter_of(awaited)):
                seen.add(id(awaited))
                found.append(awaited)
    return found


def _loop_of(task: Any) -> Any:
    return object.__getattribute__(task, "_loop")


def _batches(tasks: list[Any], cut: Cut, pace: Pace, reasons: set[str]) -> Iterable[list[Any]]:
    """Yield lists of tasks that can be read in one instant; what reaches each other is in the same list."""
    left = {id(task): task for task in tasks}
    batch: list[Any] = []
    closure: Closure | None = None
    while left:
        closure = closure or Closure(cut, pace)
        together = _reached_with(next(iter(left.values())), closure, left)
        if closure.is_whole:
            batch += together
        elif batch:
            # Nothing of ours may hold what is about to be counted. What overflowed comes again in a batch of its own.
            closure = None
            together.clear()
            yield batch
            batch = []
        else:
            reasons.add(f"{len(together)} tasks reach more than {MAX_OBJECTS} objects together")
            closure = None
        while together:
            del left[id(together.pop())]
    closure = None
    if batch:
        yield batch


def _reached_with(task: Any, closure: Closure, left: dict[int, Any]) -> list[Any]:
    known = len(closure.objects)
    closure.add([task])
    return [task, *(each for each in closure.objects[known:] if id(each) in left and each is not task)]


def _judge(
    batch: list[Any], cut: Cut, woken: set[int], loops: Iterable[Any], pace: Pace, reasons: set[str]
) -> list[Any]:
    """Return the tasks of a batch that nothing wakes."""
    for _ in range(_ATTEMPTS):
        closure = Closure(cut, pace)
        closure.add(batch)
        objects = closure.objects
        accounts = account(objects, len(batch), pace, held_by_us=_LISTS_OF_OURS)
        if accounts is not None:
            index = {id(each): place for place, each in enumerate(objects)}
            exempt = set(range(len(batch))) | {index.get(id(coroutine_of(task)), 0) for task in batch}
            held = roots(objects, accounts, exempt, len(batch), loops)
            live = Propagation(accounts, exempt, len(batch))
            live.spread(held)
            live.spread(hung_on_tasks(batch, index))
            live.spread(kept_by_objects(objects, accounts, index))
            live.wake(place for place, task in enumerate(batch) if id(task) in woken)
            live.wake(stirred_by_collector(accounts, held, len(batch)))
            return [task for place, task in enumerate(batch) if not live.is_awake[place]]
    reasons.add("the garbage collector ran in between each time")
    return []


def _cycles(tasks: list[Any]) -> tuple[tuple[ReferenceType[Any], ...], ...]:
    numbers = {id(task): number for number, task in enumerate(tasks)}
    edges = {
        number: [numbers[id(each)] for each in awaited_tasks(task) if id(each) in numbers]
        for number, task in enumerate(tasks)
    }
    return tuple(tuple(ref(tasks[number]) for number in cycle) for cycle in deadlocks(edges))
