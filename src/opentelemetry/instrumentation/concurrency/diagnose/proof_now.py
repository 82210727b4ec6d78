"""The proof on request, over all suspended tasks, like Go's ``goroutineleak``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..census.census import Census
from .diagnosis import Diagnosis
from .ownership.creator_ended import outlived_a_task
from .proof.wakeability import alive, evidence, proof_on_demand


@dataclass(frozen=True, slots=True)
class ProvenNow:
    """The result of a proof over all suspended tasks.

    Attributes:
        reasons: The evidence that a task can never wake, by its serial number.
        undecided: Human-readable reason for tasks without a verdict; empty if there are none.
        examined: Number of suspended tasks with a result.
        cycles: The await cycles.
    """

    reasons: dict[int, str] = field(default_factory=dict)
    undecided: str = ""
    examined: int = 0
    cycles: tuple[tuple[Any, ...], ...] = ()

    def reason_with(self, verdict: str | None, serial: int, reason: str) -> str | None:
        """Return the complete reason for a task that only this proof found unwakeable; None for other tasks.

        Args:
            verdict: Its verdict at the last scan.
            serial: Its serial number.
            reason: The reason of that verdict; empty for none.
        """
        proof = None if verdict == "unwakeable" else self.reasons.get(serial)
        if proof is None:
            return None
        return f"{reason}, and {proof}" if reason else proof


def prove_now(census: Census, diagnosis: Diagnosis, pause: Callable[[], None] = lambda: None) -> ProvenNow:
    """Run two proofs over all suspended tasks and return what both agree on, without ignored tasks.

    The next scan counts and reports the result like that of the background proof.

    Args:
        census: The census; its lock is held only to list the tasks.
        diagnosis: Provides the ignored sites and receives the result.
        pause: Called often between slices of work, to let the event loop run.

    Cost: about 200 µs per task.
    """
    with diagnosis.proofs.turn.wait():
        return _prove_now(census, diagnosis, pause)


def _prove_now(census: Census, diagnosis: Diagnosis, pause: Callable[[], None]) -> ProvenNow:
    with census.locked():
        census.admit_young(pause)
        census.reconcile(at_once=True, pause=pause)
        columns = census.tasks
        references, serials, sites = list(columns.references), list(columns.serials), list(columns.sites)
        creators, spans = list(columns.creators), list(columns.creator_spans)
    # This function holds no task, so that the garbage collector can still finalize unreferenced ones.
    rows = {id(task): row for row, reference in enumerate(references) if (task := reference()) is not None}
    task = None
    in_turn = (references[row] for row in _one_of_each_site_in_turn(sites))
    pending = (task for task in alive(in_turn) if not columns.is_finished(task))

    def left_behind(task: Any) -> bool:
        row = rows.get(id(task), -1)
        return row >= 0 and outlived_a_task(creators[row], spans[row])

    loops, alone = census.loops, census.locked
    proof = proof_on_demand(pending, loops=loops, pause=pause, left_behind=left_behind, alone=alone)
    cycles = {id(member()): cycle for cycle in proof.cycles for member in cycle}
    reasons: dict[int, str] = {}
    for reference in proof.unwakeable:
        task = reference()
        row = rows.get(id(task), -1)
        if task is None or row < 0 or references[row]() is not task:
            continue
        if not diagnosis.ignores(census.recorder.task_sites.sites[sites[row]], task):
            reasons[serials[row]] = evidence(cycles.get(id(task), ()))
    proven = ProvenNow(reasons, proof.undecided, proof.examined, tuple(proof.cycles))
    with census.locked():
        diagnosis.proofs.note(columns, proven.reasons.keys(), proven.cycles, pause)
    return proven


def _one_of_each_site_in_turn(sites: Sequence[int]) -> list[int]:
    """Return all rows in an order in which no site hides another if time is short."""
    depth: dict[int, int] = {}
    depths = []
    for number in sites:
        depths.append(depth.get(number, 0))
        depth[number] = depths[-1] + 1
    return sorted(range(len(sites)), key=depths.__getitem__)
