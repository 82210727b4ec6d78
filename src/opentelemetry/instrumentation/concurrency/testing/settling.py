"""How long to wait for what is left: not at all when clean, else with doubling pauses, and never in a loop's way.

Waiting ends early where it is pointless: when every task that is left belongs to a loop that nothing runs any more, or
when all of them are proven unwakeable.
"""

from __future__ import annotations

import asyncio
from asyncio import sleep as sleep_in_loop
from collections.abc import Callable
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from .known_rules import is_known
from .leak import Leak, leak_of

if TYPE_CHECKING:
    from .recording import Leftover, Recording
    from .scope import Scope

FIRST_PAUSE_S: Final = 0.0001
LONGEST_PAUSE_S: Final = 0.1
_STOPPED_FOR_S: Final = 0.1
_PROVE_AFTER_S: Final = (0.25, 1.0, 2.0)


class Patience:
    """Decides after each look whether to look again, and after how long.

    Args:
        timeout_s: Seconds to wait in all.
        is_over: The caller's own cancellation.
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
        """Return the seconds until the next look, or None where there is nothing to wait for.

        Args:
            left: What the last look found.
            runs_in: The loop in which the wait itself runs, if it does.
        """
        if not left:
            return None
        waited = self._clock() - self._began
        if self._is_over():
            self.ended_early = True
            return None
        if waited >= self._timeout_s or is_hopeless(left, runs_in, waited):
            return None
        if self._proofs_due and waited >= self._proofs_due[0]:
            self._proofs_due.pop(0)
            if all(one.kind == "task" for one in left) and len(proven(left)) == len(left):
                return None
        pause = min(self._pause_s, self._timeout_s - waited)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        return pause


def is_hopeless(left: list[Leftover], runs_in: Any, waited_s: float) -> bool:
    """Tell whether all that is left are tasks of loops that nothing runs: closed, or stopped for a while."""
    for one in left:
        found = one.reference()
        if found is None:
            continue
        if one.kind == "thread":
            return False
        loop = found.get_loop()
        if loop is runs_in or not (loop.is_closed() or (not loop.is_running() and waited_s >= _STOPPED_FOR_S)):
            return False
    return True


def proven(left: list[Leftover]) -> dict[int, str]:
    """Return, by serial number, why nothing will wake the tasks of which that is proven."""
    # Weakly: what only we hold the garbage collector may end.
    tasks = {one.serial: one.reference for one in left if one.kind == "task" and one.reference() is not None}
    if not tasks:
        return {}
    from ..diagnose.wakeability import alive, evidence, proof_on_demand

    try:
        proof = proof_on_demand(alive(tasks.values()))
        cycles = {id(member()): cycle for cycle in proof.cycles for member in cycle}
        stuck = {id(found) for found in alive(proof.unwakeable)}
        return {
            serial: evidence(cycles.get(id(found), ()))
            for serial, reference in tasks.items()
            if (found := reference()) is not None and id(found) in stuck
        }
    except Exception:  # noqa: BLE001 (a report without a proof is better than a test runner that fails)
        return {}


def leaks_of(recording: Recording, left: list[Leftover], *, proof: bool = True) -> list[Leak]:
    """Put what is left into words, with the proof where there is one."""
    evidence = proven(left) if proof else {}
    return [
        leak
        for one in left
        if (leak := leak_of(recording, one, evidence=evidence.get(one.serial, "") if one.kind == "task" else ""))
        is not None
    ]


def note_what_is_cancelled(recording: Recording, scope: Scope, loop: Any) -> None:
    """Note at ``scope`` which of its tasks a runner is about to cancel; in a test runner's loop, first let them end."""

    def look() -> list[Leftover]:
        return [one for one in recording.leftovers(scope, threads=False) if _is_left_in(one, scope, loop)]

    left = look()
    if left and may_run(scope, loop):
        loop.run_until_complete(settle_in_loop(look, Patience(scope.timeout_s, never)))
        left = look()
    evidence = proven(left)
    for one in left:
        leak = leak_of(recording, one, ending="cancelled", evidence=evidence.get(one.serial, ""))
        if leak is not None:
            scope.lost.append(leak)
            # The check itself must not count it a second time where it survives its cancellation.
            scope.reported.add(("task", one.serial))


async def settle_in_loop(look: Callable[[], list[Any]], patience: Patience) -> list[Any]:
    """Look until clean or out of patience, letting the loop run between looks; return what the last look found."""
    loop = asyncio.get_running_loop()
    while True:
        left = look()
        pause = patience.next_pause(left, loop)
        if pause is None:
            return left
        left.clear()
        await sleep_in_loop(pause)


def settle(look: Callable[[], list[Any]], patience: Patience) -> list[Any]:
    """Do the same in a thread that runs no loop."""
    while True:
        left = look()
        pause = patience.next_pause(left)
        if pause is None:
            return left
        left.clear()
        sleep(pause)


def never() -> bool:
    """Be no cancellation at all."""
    return False


def _is_left_in(one: Leftover, scope: Scope, loop: Any) -> bool:
    """Tell whether a task is in ``loop`` and ``scope`` is the innermost that judges it."""
    task = one.reference()
    if task is None or task.get_loop() is not loop or is_known(one, scope.known):
        return False
    judge = (
        next((each for each in one.owner.and_outer() if each.is_open or each.is_boundary), None) if one.owner else None
    )
    return judge is scope or judge is None


def may_run(scope: Scope, loop: Any) -> bool:
    """Tell whether ``loop`` is the idle loop of a test runner, in which ``scope`` may wait."""
    if scope.runner_loop is None or scope.runner_loop() is not loop or loop is None:
        return False
    return not loop.is_closed() and not loop.is_running() and asyncio._get_running_loop() is None


def runner_loop_of(scope: Scope) -> None:
    """Note that the running loop belongs to a test runner, so that ``scope`` may let things settle in it.

    Under trio there is none, and only threads are looked at.
    """
    loop = asyncio._get_running_loop()
    scope.runner_loop = None if loop is None else ref(loop)
