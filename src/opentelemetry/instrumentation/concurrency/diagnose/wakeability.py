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

import gc
import sys
import sysconfig
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType
from typing import Any, Final
from weakref import ReferenceType, WeakSet, ref

from .closure import MAX_OBJECTS, Accounts, Closure, Cut, Pace, TooMuchWorkError, account
from .known_waits import coroutine_of, is_pending, is_task, waiter_of
from .loop_handles import Handles, handles_of, runs_until_done
from .stalls import StallMark
from .wait_graph import awaited_tasks, deadlocks
from .woken_by_handles import tasks_woken_by

_ATTEMPTS: Final = 3


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


def prove(suspects: Iterable[Any], *, pause: Callable[[], None] = lambda: None) -> Proof:
    """Run one proof over suspended tasks and what they await. Never raises.

    Args:
        suspects: asyncio tasks; those that are done or running are left out.
        pause: Called often between slices of work, to let the event loop run.

    Cost: about 100 µs a task; at most some 10 ms at a stretch without another thread.
    """
    if _is_free_threaded():
        return Proof(undecided="this interpreter has no global lock, so references cannot be counted in one instant")
    try:
        return _prove(suspects, Pace(pause))
    except TooMuchWorkError:
        return Proof(undecided="the suspended tasks and timers reach more than can be looked at in ten seconds")
    except Exception as error:  # noqa: BLE001 (an observer must not fail because of what it observes)
        return Proof(undecided=f"the proof failed with {type(error).__name__}")


def proof_on_demand(suspects: Iterable[Any], *, pause: Callable[[], None] = lambda: None) -> Proof:
    """Run two proofs and return what both agree on. Never raises."""
    memory, tasks = ProofMemory(), list(suspects)
    memory.confirm(prove(tasks, pause=pause))
    second = prove(tasks, pause=pause)
    return Proof(memory.confirm(second), second.cycles, second.undecided, second.examined)


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


def _prove(suspects: Iterable[Any], pace: Pace) -> Proof:
    asked = [task for task in suspects if is_task(task) and is_pending(waiter_of(task))]
    tasks = _with_awaited(asked)
    loops = {id(loop): loop for task in tasks if (loop := _loop_of(task)) is not None}
    reasons: set[str] = set()
    handles: dict[int, Handles] = {}
    for address, loop in loops.items():
        found = handles_of(loop)
        if found is None:
            reasons.add(f"an event loop of type {type(loop).__name__} does not show its handles")
        else:
            handles[address] = found
    tasks = [task for task in tasks if id(_loop_of(task)) in handles and not runs_until_done(task)]
    cut = Cut(loops.values())
    woken = tasks_woken_by(handles.values(), cut, pace)
    if woken is None:
        return Proof(undecided="the live timers and connections reach more than can be looked at", examined=len(asked))
    stuck: dict[int, Stuck] = {}
    for batch in _batches(tasks, cut, pace, reasons):
        for task in _judge(batch, cut, woken, loops.values(), pace, reasons):
            waiter = waiter_of(task)
            if waiter is not None:
                stuck[id(task)] = Stuck(ref(task), StallMark(waiter, callable))
        task = waiter = None
    found_stuck = tuple(stuck[id(task)] for task in tasks if id(task) in stuck)
    cycles = _cycles([task for task in tasks if id(task) in stuck])
    return Proof(found_stuck, cycles, "; ".join(sorted(reasons)), len(asked))


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
        accounts = account(objects, len(batch), pace)
        if accounts is not None:
            places = {id(task): place for place, task in enumerate(batch)}
            coroutines = {id(coroutine_of(task)) for task in batch}
            exempt = {place for place, each in enumerate(objects) if place < len(batch) or id(each) in coroutines}
            roots = _roots(objects, accounts, exempt, places, loops)
            live = _Propagation(accounts, exempt, len(batch))
            live.spread(roots)
            live.wake(place for place, task in enumerate(batch) if id(task) in woken)
            return [task for place, task in enumerate(batch) if not live.is_awake[place]]
    reasons.add("the garbage collector ran in between each time")
    return []


def _roots(
    objects: list[Any], accounts: Accounts, exempt: set[int], places: dict[int, int], loops: Iterable[Any]
) -> list[int]:
    """Return the positions of what is held from outside, and of all other tasks that are not done."""
    roots = []
    for place, each in enumerate(objects):
        if place in exempt:
            continue
        is_other_task = is_task(each) and is_pending(each) and id(each) not in places
        weak = accounts.weak[place]
        if accounts.held[place] or is_other_task or (weak and not _only_ours(each, weak, loops)):
            roots.append(place)
    return roots


def _only_ours(found: Any, count: int, loops: Iterable[Any]) -> bool:
    """Tell whether all weak references to an object are ours, or asyncio's books of tasks and async generators.

    Those books wake nobody: the one lists what is not done, and the other is for the end of the loop. Nor does whoever
    refers weakly to a coroutine that is being awaited, as OpenTelemetry's instrumentation of asyncio does to know which
    ones it has met: what it awaits can not be completed through it.
    """
    if type(found) is CoroutineType:
        return True
    references = weakref.getweakrefs(found)
    if len(references) != count:
        return False
    foreign = [each for each in references if type(each) is not StallMark]
    if type(found) is AsyncGeneratorType:
        return all(_is_in_asyncgens(each, loops) for each in foreign)
    if is_task(found):
        return all(_is_in_registry(each) for each in foreign)
    return not foreign


def _is_in_asyncgens(reference: Any, loops: Iterable[Any]) -> bool:
    for loop in loops:
        fields = gc.get_referents(loop)
        # In an object of Python the fields may be one dictionary further on.
        fields += [each for found in fields if type(found) is dict for each in found.values()]
        for found in fields:
            if type(found) is WeakSet and reference in found.data:  # type: ignore[attr-defined]
                return True
    return False


def _is_in_registry(reference: Any) -> bool:
    tasks = sys.modules["asyncio.tasks"]
    books = (getattr(tasks, name, None) for name in ("_all_tasks", "_scheduled_tasks"))
    return any(type(book) is WeakSet and reference in book.data for book in books)  # type: ignore[attr-defined]


class _Propagation:
    """Spreads from what is held to what it reaches; a task is passed only once its waiter was reached."""

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


def _cycles(tasks: list[Any]) -> tuple[tuple[ReferenceType[Any], ...], ...]:
    numbers = {id(task): number for number, task in enumerate(tasks)}
    edges = {
        number: [numbers[id(each)] for each in awaited_tasks(task) if id(each) in numbers]
        for number, task in enumerate(tasks)
    }
    return tuple(tuple(ref(tasks[number]) for number in cycle) for cycle in deadlocks(edges))
