"""The proof that tasks can never wake: no running code holds what they wait for.

The proof is the counterpart of Go's ``goroutineleak`` profile for asyncio. A suspended task wakes when its waiter is
completed. If the waiter is held only by suspended tasks that nothing wakes, it is never completed.

A reference to the task itself (in a ``background_tasks`` set) allows cancelling but not waking it, so it does not
count. A live timer or callback of the loop that leads to the task counts, because it may exist in order to cancel the
task. A reference to a coroutine in the task's await chain is treated like one to the task, which leads to the coroutine
anyway. A task that awaits another task is as wakeable as that task; tasks in an await cycle can never be woken.

Members of task groups are an exception to the rule that cancelling does not count. Groups cancel their members by
design, and waits that only end that way (``sleep_forever`` beside an open context) are an idiom. A member is therefore
as wakeable as the task that runs the group, unless the creator of the member has ended while the group continues: a
request that leaves a session in the group of the whole service. A member that fails cancels the task that runs the
group, which is therefore as wakeable as whatever reaches the group. Both cancel what they await (see `cancelling`). The
exception does not apply to tasks in an await cycle, whose cancellation fails.

The proof is sound rather than complete; everything that cannot be accounted for counts as able to wake:

- All tasks that are not examined count as running, and so do all tasks that an event loop runs until they are done.
- An object with unaccounted references, or with a weak reference that is not this package's, counts as held by
  something that runs: a frame, a thread, a module or C code.
- There is no verdict, but a reason, if a closure is too large to be read at one instant, if an event loop does not
  expose its handles, and on interpreters without a global lock.
- Only results that two consecutive proofs agree on, with the same waiter, are reported: being stuck is stable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, Final
from weakref import ReferenceType, ref

from ...record.interpreter import FREE_THREADED_BUILD
from ...record.raw_fields import c_field, type_name
from ..introspection.chain_coroutines import coroutines_of
from ..introspection.fields import loop_of
from ..introspection.known_waits import is_pending, is_task, known_asyncio, waiter_of
from ..introspection.loop_handles import Handles, handles_of, runs_until_done, timers_of_threads
from ..introspection.stalls import StallMark
from ..ownership.owners import linked_concurrent_future
from .batches import Batches
from .cancelling import Cancellers, cancellers_among, cancelling_objects, ended_with, none_that_ends_tasks
from .closure import Closure, Cut, Pace, TooMuchWorkError, account
from .holding_threads import a_thread_handles_futures
from .propagation import Propagation, woken_by_collector
from .roots import hung_on_tasks, kept_by_objects, roots
from .wait_graph import awaited_tasks, awaiting_tasks, deadlocks
from .woken_by_handles import tasks_woken_by

_ATTEMPTS: Final = 3
LEADS_TOO_FAR: Final = "the live timers and connections reach more objects than can be inspected"
_TOO_MUCH: Final = "there are more suspended tasks than can be examined at a time"
_LISTS_OF_OURS: Final = 2
"""Number of lists that hold each task while its references are counted: that of all tasks, and that of its batch."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A task that was found unable to wake.

    Attributes:
        task: The task.
        waiter: The future it waits for, as this package's kind of weak reference.
    """

    task: ReferenceType[Any]
    waiter: StallMark


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of one proof.

    Attributes:
        stuck: The tasks that cannot wake, in the order of the suspects.
        cycles: The await cycles among them.
        undecided: Human-readable reason for suspects without a verdict; empty if there are none.
        examined: Number of suspects with a result.
        left_out: Addresses of the suspects that could not be examined, for the reasons in ``undecided``.
        not_reached: Addresses of the suspects for which there was no time.
    """

    stuck: tuple[Stuck, ...] = ()
    cycles: tuple[tuple[ReferenceType[Any], ...], ...] = ()
    undecided: str = ""
    examined: int = 0
    left_out: frozenset[int] = frozenset()
    not_reached: frozenset[int] = frozenset()

    @property
    def is_void(self) -> bool:
        """Whether the proof has no result for any task, for the reason in ``undecided``."""
        return bool(self.undecided) and not (self.examined or self.left_out or self.not_reached)

    @property
    def leads_too_far(self) -> bool:
        """Whether there is no result because timers and connections reach too much, which may be so for a moment."""
        return self.undecided == LEADS_TOO_FAR

    @property
    def unwakeable(self) -> tuple[ReferenceType[Any], ...]:
        """The tasks that cannot wake."""
        return tuple(stuck.task for stuck in self.stuck)


def prove(
    suspects: Iterable[Any],
    *,
    loops: Iterable[Any] = (),
    pause: Callable[[], None] = lambda: None,
    left_behind: Callable[[Any], bool] = lambda _task: False,
    max_work: int | None = None,
    reach: int | None = None,
    alone: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Proof:
    """Run one proof over suspended tasks and what they await. Never raises.

    Args:
        suspects: asyncio tasks; finished and running ones are skipped. Must be an iterator that does not hold them:
            references of the caller could not be distinguished from the application's, and tasks that only the caller
            holds would be collected afterwards. If there are too many, the first ones are examined.
        loops: Further event loops whose timers count, besides those of the tasks.
        pause: Called often between slices of work, to let the event loop run.
        left_behind: Returns whether a member of a task group outlived its creator.
        max_work: Maximum number of references to inspect; None for about ten seconds.
        reach: Maximum number of objects that timers and connections may reach; None for 100,000.
        alone: Returns a context in which no other thread of this package inspects tasks.

    Cost: about 8 µs per object that the tasks reach; some 10 ms at most without letting another thread run, up to 45 ms
    with ten thousand tasks.
    """
    if FREE_THREADED_BUILD:
        return Proof(undecided="this interpreter has no global lock, so references cannot be counted in one instant")
    try:
        return _prove(suspects, loops, Pace(pause, max_work, alone), left_behind, reach)
    except TooMuchWorkError:
        return Proof(undecided=_TOO_MUCH)
    except Exception as error:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return Proof(undecided=f"the proof failed with {type(error).__name__}")


def proof_on_demand(
    suspects: Iterable[Any],
    *,
    loops: Iterable[Any] = (),
    pause: Callable[[], None] = lambda: None,
    left_behind: Callable[[Any], bool] = lambda _task: False,
    alone: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Proof:
    """Run two proofs like `prove`, and return the results that both agree on. Never raises."""
    memory, loops = ProofMemory(), list(loops)
    references = [ref(suspect) for suspect in suspects if is_task(suspect)]
    first = prove(alive(references), loops=loops, pause=pause, left_behind=left_behind, alone=alone)
    memory.confirm(first)
    second = prove(alive(references), loops=loops, pause=pause, left_behind=left_behind, alone=alone)
    only_by_second = (first.left_out | first.not_reached) - (second.left_out | second.not_reached)
    return replace(
        second,
        stuck=memory.confirm(second),
        undecided=second.undecided or first.undecided,
        examined=second.examined - len(only_by_second),
    )


def alive(references: Iterable[ReferenceType[Any]]) -> Iterator[Any]:
    """Yield the live referents of weak references without holding them."""
    return (found for reference in references if (found := reference()) is not None)


class ProofMemory:
    """Stores the last proof, because only results that two consecutive proofs agree on count."""

    def __init__(self) -> None:
        self._last: dict[int, Stuck] = {}

    def confirm(self, proof: Proof) -> tuple[Stuck, ...]:
        """Return the results that the previous proof of the same task agrees with, with the same waiter."""
        before, self._last = self._last, {}
        confirmed = []
        for stuck in proof.stuck:
            task, waiter = stuck.task(), stuck.waiter()
            if task is None or waiter is None:
                continue
            self._last[id(task)] = stuck
            known = before.pop(id(task), None)
            if known is not None and known.task() is task and known.waiter() is waiter:
                confirmed.append(stuck)
        self._last.update((address, known) for address, known in before.items() if known.task() is not None)
        return tuple(confirmed)

    def drop(self, task: Any) -> None:
        """Drop the previous result for a task."""
        self._last.pop(id(task), None)

    def forget(self) -> None:
        """Drop the previous proof."""
        self._last = {}


def evidence(cycle: Sequence[ReferenceType[Any]]) -> str:
    """Return the evidence that a task can never wake, as a clause.

    Args:
        cycle: The await cycle that contains the task; empty for none.
    """
    if len(cycle) == 1:
        return "it awaits itself"
    if cycle:
        others = len(cycle) - 1
        return f"it and {others} other task{'' if others == 1 else 's'} await each other in a cycle"
    return "nothing that still runs holds what it waits for"


def _prove(
    suspects: Iterable[Any],
    other_loops: Iterable[Any],
    pace: Pace,
    left_behind: Callable[[Any], bool],
    reach: int | None,
) -> Proof:
    tasks = [task for task in suspects if _can_be_read(task) and is_pending(waiter_of(task))]
    asked = set(map(id, tasks))
    tasks = _with_related(tasks)
    loops = {id(loop): loop for task in tasks if (loop := loop_of(task)) is not None}
    reasons: set[str] = set()
    handles = _handles_of_all(loops, reasons)
    unreadable = {id(task) for task in tasks if id(loop_of(task)) not in handles} & asked
    tasks = [task for task in tasks if id(loop_of(task)) in handles and not runs_until_done(task)]
    cut = Cut(loops.values())
    elsewhere = [found for loop in other_loops if id(loop) not in loops and (found := handles_of(loop)) is not None]
    # The coroutines get no variable: references to them and to the tasks are about to be counted.
    all_handles = [*handles.values(), *elsewhere, timers_of_threads()]
    woken = tasks_woken_by(all_handles, cut, pace, _task_of_coroutine(tasks), reach)
    if woken is None:
        return Proof(undecided=LEADS_TOO_FAR, left_out=frozenset(asked))
    cancellers = cancellers_among(tasks, left_behind)
    # Handles lead to a task of an await cycle in order to cancel it, which fails.
    woken -= {id(task) for task in tasks if id(task) in cancellers.immune and is_task(waiter_of(task))}
    awake = cancellers.reached_from(woken, set(map(id, tasks)))
    tasks = [task for task in tasks if id(task) not in awake]
    batches = Batches(tasks, cut, pace)
    stuck: dict[int, Stuck] = {}
    with suppress(TooMuchWorkError):
        _judge_all(batches, stuck, cut, cancellers, loops.values(), pace, reasons)
    cycles = _cycles([task for task in tasks if id(task) in stuck])
    reasons |= {batches.reason} - {""}
    left_out, not_reached = (unreadable | batches.left_out) & asked, batches.not_reached & asked
    if not_reached:
        reasons.add(f"{len(not_reached)} more were deferred to the next proof")
    return Proof(
        tuple(stuck[id(task)] for task in tasks if id(task) in stuck),
        cycles,
        "; ".join(sorted(reasons)),
        len(asked) - len(left_out) - len(not_reached),
        frozenset(left_out),
        frozenset(not_reached),
    )


def _judge_all(
    batches: Batches,
    stuck: dict[int, Stuck],
    cut: Cut,
    cancellers: Cancellers,
    loops: Iterable[Any],
    pace: Pace,
    reasons: set[str],
) -> None:
    """Add the stuck tasks to ``stuck``, by address; raises `TooMuchWorkError` when the time is used up."""
    for batch in batches:
        found = _judge(batch, cut, cancellers, loops, pace, reasons, (batches.limit, batches.splits))
        if batches.is_lesson:
            continue
        for task in found or ():
            waiter = waiter_of(task)
            if waiter is not None:
                stuck[id(task)] = Stuck(ref(task), StallMark(waiter, callable))
        if batches.splits or found is None:
            batches.left_out.update(id(task) for task in batch if id(task) not in stuck)
        task = waiter = found = None


def _can_be_read(task: Any) -> bool:
    """Return whether a task's fields are asyncio's own rather than overridden by a class of the application."""
    if not is_task(task):
        return False
    kind = type(task)
    known = known_asyncio()
    if known is not None and issubclass(kind, known.py_task):
        return True
    return c_field(kind, "_fut_waiter") is not None and c_field(kind, "_loop") is not None


def _task_of_coroutine(tasks: Iterable[Any]) -> dict[int, Any]:
    return {id(coroutine): task for task in tasks for coroutine in coroutines_of(task)}


def _handles_of_all(loops: dict[int, Any], reasons: set[str]) -> dict[int, Handles]:
    handles: dict[int, Handles] = {}
    for address, loop in loops.items():
        found = handles_of(loop)
        if found is None:
            reasons.add(f"an event loop of type {type_name(type(loop))} does not expose its handles")
        else:
            handles[address] = found
    return handles


def _with_related(tasks: list[Any]) -> list[Any]:
    """Return the tasks, all that they await and all that await them, directly or indirectly.

    A task ends those that it awaits when it is cancelled, so no proof of one may lack the other.
    """
    found, seen = list(tasks), set(map(id, tasks))
    for task in found:
        for related in (*awaited_tasks(task), *awaiting_tasks(task)):
            if id(related) not in seen and is_pending(waiter_of(related)):
                seen.add(id(related))
                found.append(related)
    return found


def _judge(
    batch: list[Any],
    cut: Cut,
    cancellers: Cancellers,
    loops: Iterable[Any],
    pace: Pace,
    reasons: set[str],
    bounds: tuple[int, bool],
) -> list[Any] | None:
    """Return the tasks of a batch that nothing wakes, or None if that cannot be determined."""
    for _ in range(_ATTEMPTS):
        closure = Closure(cut, pace, bounds[0], splits=bounds[1])
        closure.add(batch)
        objects = closure.objects
        has_futures = any(linked_concurrent_future(task) is not None for task in batch)
        is_handled = has_futures and a_thread_handles_futures()
        accounts = account(objects, len(batch), pace, held_by_us=_LISTS_OF_OURS)
        if accounts is not None:
            index = {id(each): place for place, each in enumerate(objects)}
            chains = [[index[id(each)] for each in coroutines_of(task) if id(each) in index] for task in batch]
            exempt = set(range(len(batch))).union(*chains)
            held = roots(objects, accounts, exempt, len(batch), loops)
            in_variables = accounts.is_held if is_handled else _in_none
            cancelling = cancelling_objects(objects, index, batch, cancellers, in_variables)
            ended_by = cancellers.in_batch(batch)
            for place, along in ended_with(batch, cancelling, index).items():
                ended_by.setdefault(place, []).extend(along)
            live = Propagation(accounts, exempt, chains, ended_by, cancelling)
            live.spread(held)
            live.spread(hung_on_tasks(batch, index))
            live.spread(kept_by_objects(objects, accounts, index))
            live.wake(woken_by_collector(accounts, held, len(batch)))
            cut.add_live(none_that_ends_tasks(objects[place] for place in live.places()))
            if not closure.is_whole:
                return None
            return [task for place, task in enumerate(batch) if not live.is_awake[place]]
    reasons.add("the garbage collector interrupted every attempt")
    return None


def _in_none(_place: int) -> bool:
    return False


def _cycles(tasks: list[Any]) -> tuple[tuple[ReferenceType[Any], ...], ...]:
    numbers = {id(task): number for number, task in enumerate(tasks)}
    awaits = {
        number: [numbers[id(each)] for each in awaited_tasks(task) if id(each) in numbers]
        for number, task in enumerate(tasks)
    }
    return tuple(tuple(ref(tasks[number]) for number in cycle) for cycle in deadlocks(awaits))
