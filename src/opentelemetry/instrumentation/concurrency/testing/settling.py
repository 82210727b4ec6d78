"""Waiting for leftovers to end: with doubling pauses, and without blocking a loop.

A clean block does not wait. Waiting ends early if it is pointless: if every remaining task belongs to a loop that no
longer runs, or if all of them are proven unwakeable.
"""

from __future__ import annotations

import asyncio
from asyncio import sleep as sleep_in_loop
from collections.abc import Callable
from math import inf
from time import monotonic, sleep
from typing import Any, Final
from weakref import ref

from ..record.internals.of_asyncio import running_loop
from .impact import with_impact
from .known_rules import KnownRule, is_known
from .leak import Leak, leak_of
from .leftover import Leftover
from .recording import Recording, recording
from .scope import Scope

FIRST_PAUSE_S: Final = 0.0001
LONGEST_PAUSE_S: Final = 0.1
_STOPPED_FOR_S: Final = 0.1
_PROVE_AFTER_S: Final = (0.25, 1.0, 2.0)


class Patience:
    """Decides after each check whether to repeat it, and after which pause.

    Args:
        timeout_s: Maximum number of seconds to wait in total.
        is_over: The caller's own condition to end the wait.
        clock: The monotonic clock, in seconds.
    """

    def __init__(self, timeout_s: float, is_over: Callable[[], bool], clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._timeout_s = timeout_s
        self._is_over = is_over
        self._pause_s = FIRST_PAUSE_S
        self._proofs_due = list(_PROVE_AFTER_S)
        self.ended_early = False

    def next_pause(self, left: list[Leftover], runs_in: Any = None) -> float | None:
        """Return the seconds until the next check, or None if waiting is pointless.

        Args:
            left: The leftovers found by the last check.
            runs_in: The loop in which the wait itself runs, or None.
        """
        if not left:
            return None
        waited = self._clock() - self._began
        if self._is_over():
            self.ended_early = True
            return None
        if waited >= self._timeout_s or is_hopeless(left, runs_in, waited, self._timeout_s - waited):
            return None
        if self._proofs_due and waited >= self._proofs_due[0]:
            self._proofs_due.pop(0)
            if all(one.kind == "task" for one in left) and len(proven(left)) == len(left):
                return None
        pause = min(self._pause_s, self._timeout_s - waited)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        return pause


def is_hopeless(left: list[Leftover], runs_in: Any, waited_s: float, remaining_s: float = inf) -> bool:
    """Return whether no leftover can end by itself.

    These are tasks and timers of loops that nothing runs (closed, or stopped for a while), timers that are due later,
    and sessions. The last two get a moment, in which their owner may still end them.
    """
    for one in left:
        found = one.reference()
        if found is None:
            continue
        if one.kind == "thread":
            return False
        if one.kind == "session" or (one.due_at is not None and one.due_at > monotonic() + remaining_s):
            if waited_s < _STOPPED_FOR_S:
                return False
            continue
        loop = one.loop() if one.loop is not None else None if one.kind == "timer" else found.get_loop()
        if loop is None:
            continue
        if loop is runs_in or not (loop.is_closed() or (not loop.is_running() and waited_s >= _STOPPED_FOR_S)):
            return False
    return True


def proven(left: list[Leftover]) -> dict[int, str]:
    """Return the evidence that tasks can never wake, by serial number, for tasks with a proof."""
    # Weak references, because tasks held only by this function must remain collectable.
    tasks = {one.serial: one.reference for one in left if one.kind == "task" and one.reference() is not None}
    if not tasks:
        return {}
    from ..diagnose.proof.wakeability import alive, evidence, proof_on_demand

    try:
        proof = proof_on_demand(alive(tasks.values()), loops=recording().census.loops)
        cycles = {id(member()): cycle for cycle in proof.cycles for member in cycle}
        stuck = {id(found) for found in alive(proof.unwakeable)}
        return {
            serial: evidence(cycles.get(id(found), ()))
            for serial, reference in tasks.items()
            if (found := reference()) is not None and id(found) in stuck
        }
    except Exception:  # noqa: BLE001 (a report without a proof is better than a failing test runner)
        return {}


def leaks_of(left: list[Leftover], *, proof: bool = True) -> list[Leak]:
    """Describe leftovers, with the proof where there is one."""
    evidence = proven(left) if proof else {}
    found = [
        leak
        for one in left
        if (leak := leak_of(one, evidence=evidence.get(one.serial, "") if one.kind == "task" else "")) is not None
    ]
    return with_impact(found, left) if proof else found


def cancelled_leaks(
    recording: Recording, scope: Scope, loop: Any, *, known: tuple[KnownRule, ...], timeout_s: float
) -> list[Leak]:
    """Return the tasks of ``scope`` that a runner is about to cancel; in a test runner's loop, first wait for them."""

    def scan() -> list[Leftover]:
        return [one for one in recording.leftovers(scope, threads=False) if _is_left_in(one, scope, loop, known)]

    left = scan()
    if left and may_run(scope, loop):
        loop.run_until_complete(settle_in_loop(scan, Patience(timeout_s, never)))
        left = scan()
    evidence = proven(left)
    leaks = (leak_of(one, ending="cancelled", evidence=evidence.get(one.serial, "")) for one in left)
    return with_impact([leak for leak in leaks if leak is not None], left)


async def settle_in_loop(scan: Callable[[], list[Any]], patience: Patience) -> list[Any]:
    """Repeat a scan until it is clean or the patience ends, letting the loop run in between; return the last result."""
    loop = asyncio.get_running_loop()
    while True:
        left = scan()
        pause = patience.next_pause(left, loop)
        if pause is None:
            return left
        left.clear()
        await sleep_in_loop(pause)


def settle(scan: Callable[[], list[Any]], patience: Patience) -> list[Any]:
    """Do the same in a thread that runs no loop."""
    while True:
        left = scan()
        pause = patience.next_pause(left)
        if pause is None:
            return left
        left.clear()
        sleep(pause)


def never() -> bool:
    """Return False: the wait is never ended early."""
    return False


def _is_left_in(one: Leftover, scope: Scope, loop: Any, known: tuple[KnownRule, ...]) -> bool:
    """Return whether a task is in ``loop``, and ``scope`` is the innermost scope that checks it."""
    task = one.reference()
    if task is None or task.get_loop() is not loop or is_known(one, known):
        return False
    judge = (
        next((each for each in one.owner.and_outer() if each.is_open or each.is_boundary), None) if one.owner else None
    )
    return judge is scope or judge is None


def may_run(scope: Scope, loop: Any) -> bool:
    """Return whether ``loop`` is the idle loop of a test runner, in which ``scope`` may wait."""
    if scope.runner_loop is None or scope.runner_loop() is not loop or loop is None:
        return False
    return not loop.is_closed() and not loop.is_running() and running_loop() is None


def runner_loop_of(scope: Scope) -> None:
    """Note that the running loop belongs to a test runner, so that ``scope`` may wait in it.

    Under trio there is no loop, and only threads are checked.
    """
    loop = running_loop()
    scope.runner_loop = None if loop is None else ref(loop)
