"""Advice on how a leak usually ends: one sentence, from a table of patterns.

The first pattern that fits decides. Where none fits there is no advice: a wrong one costs more than none.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ...record.raw_fields import attributes_of
from ..introspection.chain_coroutines import coroutines_of
from ..introspection.fields import is_a
from ..introspection.known_waits import callbacks_of, is_pending, is_task, waiter_of
from ..proof.closure import Cut
from ..proof.wait_graph import awaits_itself
from ..verdict.observation import observe
from .holders import MASK

_MOST_OBJECTS: Final = 1_000
_MOST_STEPS: Final = 8
"""Maximum number of steps from a coroutine to a lock: through the frame, on 3.10, and the dictionaries of objects."""
_LAST_FRAMES: Final = 3
"""Number of innermost frames among which an ``async with`` block begins."""


@dataclass(frozen=True, slots=True)
class LeakFacts:
    """The facts on a leak that decide about advice.

    Attributes:
        verdict: The verdict.
        wait_reason: The wait reason of its representative.
        creator: The function that created the tasks.
        waits_on: Name of the variable that holds what they wait for; empty if none was found.
        cancel_requests: How often the representative was asked to cancel and went on.
        is_in_cycle: Whether it is in an await cycle.
        in_with: Whether it waits at the beginning of an ``async with`` block.
        keeps_lock: Whether other leaked tasks wait for a lock that it reaches.
    """

    verdict: str
    wait_reason: str
    creator: str
    waits_on: str = ""
    cancel_requests: int = 0
    is_in_cycle: bool = False
    in_with: bool = False
    keeps_lock: bool = False


F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Pattern(Generic[F]):
    """A row of a table.

    Attributes:
        when: The condition, for the documentation.
        fits: Whether a leak has the pattern.
        actions: The kinds of fixes that the advice describes: ``cancel`` (end the task with its owner), ``complete``
            (complete the wait on every path), ``predicate`` (check it before waiting), ``self`` (not wait for what the
            task itself would complete), ``drain`` (put no more than is taken), ``lock``, ``cycle``, ``reraise``.
        text: The sentence; ``{creator}``, ``{waits_on}`` and ``{library}`` are replaced.
    """

    when: str
    fits: Callable[[F], bool]
    actions: frozenset[str]
    text: str


def _waits(facts: LeakFacts, verdict: str, *reasons: str) -> bool:
    return facts.verdict == verdict and facts.wait_reason in reasons


_COMPLETED: Final = ("event.wait", "barrier.wait", "future")
_WITHOUT_LIMIT: Final = ("queue.get", "condition.wait", *_COMPLETED)

PATTERNS: Final[tuple[Pattern[LeakFacts], ...]] = (
    Pattern(
        "a task was asked to cancel and went on",
        lambda facts: facts.cancel_requests > 0,
        frozenset({"reraise"}),
        "Let CancelledError pass: the task was asked to cancel and went on, so an except clause around one of its "
        "awaits catches too much.",
    ),
    Pattern(
        "`unwakeable`, in an await cycle",
        lambda facts: facts.is_in_cycle,
        frozenset({"cycle"}),
        "Let one of these tasks end without awaiting the other; cancelling does not end an await cycle.",
    ),
    Pattern(
        "`unwakeable`, waits for a lock, or in `async with` for a semaphore",
        lambda facts: (
            _waits(facts, "unwakeable", "lock.acquire")
            or (facts.in_with and _waits(facts, "unwakeable", "semaphore.acquire"))
        ),
        frozenset({"lock"}),
        "Release the lock on every path, do not acquire it again while holding it, acquire several in one order, and "
        "wait for other tasks only after releasing it.",
    ),
    Pattern(
        "`unwakeable`, other leaked tasks wait for a lock that it reaches",
        lambda facts: facts.verdict == "unwakeable" and facts.keeps_lock,
        frozenset({"lock"}),
        "Release the lock before this wait: other leaked tasks wait for it, and one of them may be the one to end this "
        "wait.",
    ),
    Pattern(
        "`unwakeable`, waits for a semaphore without `async with`",
        lambda facts: _waits(facts, "unwakeable", "semaphore.acquire"),
        frozenset({"cancel", "complete"}),
        "Cancel the task when {creator}, which started it, is done, or release the semaphore on every path.",
    ),
    Pattern(
        "`unwakeable`, waits for room in a queue",
        lambda facts: _waits(facts, "unwakeable", "queue.put"),
        frozenset({"drain", "cancel"}),
        "Put no more items than the consumer takes, give the queue room for all of them, or cancel the task when the "
        "consumer stops.",
    ),
    Pattern(
        "`unwakeable`, waits until a queue is processed",
        lambda facts: _waits(facts, "unwakeable", "queue.join"),
        frozenset({"drain", "cancel"}),
        "Take every item and call task_done() for it, also when the consumer stops early, or cancel the task then.",
    ),
    Pattern(
        "`unwakeable`, waits for an item of a queue",
        lambda facts: _waits(facts, "unwakeable", "queue.get"),
        frozenset({"cancel", "complete"}),
        "Cancel the task when {creator}, which started it, is done, or put an item or an end mark into the queue on "
        "every path on which its producer stops.",
    ),
    Pattern(
        "`unwakeable`, waits for a condition",
        lambda facts: _waits(facts, "unwakeable", "condition.wait"),
        frozenset({"cancel", "complete", "predicate"}),
        "Notify on every path, errors included, and wait with wait_for(predicate), which no earlier notification "
        "escapes; or cancel the task when {creator}, which started it, is done.",
    ),
    Pattern(
        "`unwakeable`, waits for an event, a barrier or a future",
        lambda facts: _waits(facts, "unwakeable", *_COMPLETED),
        frozenset({"cancel", "complete", "self"}),
        "Complete what it waits for on every path, errors included, and not from code that runs only after this wait; "
        "or cancel the task when {creator}, which started it, is done.",
    ),
    Pattern(
        "`orphaned`, waits for something that is registered in a collection",
        lambda facts: _waits(facts, "orphaned", *_WITHOUT_LIMIT) and MASK in facts.waits_on,
        frozenset({"cancel"}),
        "Cancel the task when {creator}, which started it, is done, and remove what it waits for from {waits_on}.",
    ),
    Pattern(
        "`orphaned`, sleeps",
        lambda facts: _waits(facts, "orphaned", "sleep"),
        frozenset({"cancel"}),
        "Cancel the task when {creator}, which started it, is done.",
    ),
    Pattern(
        "`orphaned`, waits for a connection",
        lambda facts: _waits(facts, "orphaned", "io.read", "io.write"),
        frozenset({"cancel"}),
        "Close the connection when {creator}, which started the task, is done.",
    ),
    Pattern(
        "`growing`, most wait for a lock or semaphore",
        lambda facts: _waits(facts, "growing", "lock.acquire", "semaphore.acquire"),
        frozenset({"lock", "complete"}),
        "Release the lock on every path, errors and cancellation included, and hold it for less time or start fewer of "
        "these tasks: more begin to wait for it than it lets through.",
    ),
    Pattern(
        "`growing`, most wait for room in a queue",
        lambda facts: _waits(facts, "growing", "queue.put"),
        frozenset({"drain"}),
        "Start no more of these tasks than the consumer of the queue takes items, and make sure that it survives "
        "errors.",
    ),
    Pattern(
        "`growing`, most wait for an item, a condition, an event, a barrier or a future",
        lambda facts: _waits(facts, "growing", *_WITHOUT_LIMIT),
        frozenset({"complete", "cancel"}),
        "Complete what these tasks wait for on every path, errors and cancellation included, and give the wait a "
        "timeout: more of them begin to wait than end.",
    ),
)
"""The table of tasks, in order."""


def pattern_of(facts: LeakFacts) -> Pattern[LeakFacts] | None:
    """Return the first pattern that a leak has; None if there is none."""
    return next((pattern for pattern in PATTERNS if pattern.fits(facts)), None)


def advice_on(facts: LeakFacts) -> str:
    """Return one sentence about what usually ends such a leak; empty if none is certain enough."""
    pattern = pattern_of(facts)
    if pattern is None:
        return ""
    # Not format(): names of functions may contain braces.
    return pattern.text.replace("{creator}", facts.creator).replace("{waits_on}", facts.waits_on)


def facts_on(
    task: Any,
    verdict: str,
    creator: str,
    *,
    waits_on: str,
    leaked: Container[int],
    cut: Cut,
) -> LeakFacts:
    """Return the facts on a leak that decide about advice.

    Args:
        task: Its representative.
        verdict: The verdict.
        creator: The function that created the tasks.
        waits_on: Name of the variable that holds what they wait for; empty if none was found.
        leaked: Addresses of all leaked tasks.
        cut: Objects that are not searched.

    Cost: one await chain, and a millisecond at most.
    """
    observation = observe("task", task)
    return LeakFacts(
        verdict,
        observation.wait_reason,
        creator,
        waits_on,
        observation.cancel_requests,
        awaits_itself(task),
        any(frame.function.endswith(".__aenter__") for frame in observation.chain[-_LAST_FRAMES:]),
        keeps_lock(task, leaked, cut),
    )


def keeps_lock(task: Any, leaked: Container[int], cut: Cut) -> bool:
    """Return whether leaked tasks wait for an asyncio lock that a suspended task reaches.

    Args:
        task: The task.
        leaked: Addresses of all leaked tasks.
        cut: Objects that are not searched.

    Cost: a millisecond at most.
    """
    own = waiter_of(task)
    level: list[Any] = coroutines_of(task)
    seen = set(map(id, level))
    for _ in range(_MOST_STEPS):
        following: list[Any] = []
        for found in gc.get_referents(*level):
            if id(found) in seen or not gc.is_tracked(found) or cut.stops_at(found) or is_task(found):
                continue
            seen.add(id(found))
            following.append(found)
            if _is_waited_for(found, own, leaked):
                return True
        if len(seen) > _MOST_OBJECTS:
            return False
        level = following
    return False


def _is_waited_for(found: Any, own: Any, leaked: Container[int]) -> bool:
    """Return whether an object is a lock or semaphore that only leaked tasks wait for, other than by ``own``."""
    if not (is_a(found, "Lock", "asyncio") or is_a(found, "Semaphore", "asyncio")):
        return False
    waiters = attributes_of(found).get("_waiters")
    if type(waiters) is not deque:
        return False
    tasks = [task for waiter in list(waiters) if waiter is not own and is_pending(waiter) for task in _woken_by(waiter)]
    return bool(tasks) and all(id(task) in leaked for task in tasks)


def _woken_by(waiter: Any) -> Iterator[Any]:
    for callback in callbacks_of(waiter):
        yield from (each for each in gc.get_referents(callback) if is_task(each))
