"""The proof on request, over every suspended task, whatever its age, creator or owner: as Go's ``goroutineleak``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..census.census import Census
from .diagnosis import Diagnosis
from .wakeability import alive, evidence, proof_on_demand


@dataclass(frozen=True, slots=True)
class ProvenNow:
    """What a proof over every suspended task found.

    Attributes:
        reasons: How we know that a task can never wake, by its serial number.
        undecided: Why there is no verdict on some or all of them, for people; empty if there is.
        examined: How many suspended tasks were judged.
    """

    reasons: dict[int, str] = field(default_factory=dict)
    undecided: str = ""
    examined: int = 0


def prove_now(census: Census, diagnosis: Diagnosis, pause: Callable[[], None] = lambda: None) -> ProvenNow:
    """Prove twice over every suspended task and return what both proofs agree on, less what is ignored.

    Args:
        census: Knows the tasks; its lock is held only to list them.
        diagnosis: Knows what is ignored.
        pause: Called often between slices of work, to let the event loop run.

    Cost: about 200 µs a task.
    """
    with census.locked():
        census.admit_young(pause)
        census.reconcile(at_once=True, pause=pause)
        columns = census.tasks
        references, serials, sites = list(columns.references), list(columns.serials), list(columns.sites)
    # Nothing here holds a task: what nobody else holds the garbage collector may end meanwhile.
    rows = {id(task): row for row, reference in enumerate(references) if (task := reference()) is not None}
    task = None
    pending = (task for task in alive(references) if not columns.is_gone(task))
    proof = proof_on_demand(pending, loops=census.loops, pause=pause)
    cycles = {id(member()): cycle for cycle in proof.cycles for member in cycle}
    reasons: dict[int, str] = {}
    for reference in proof.unwakeable:
        task = reference()
        row = rows.get(id(task), -1)
        if task is None or row < 0 or references[row]() is not task:
            continue
        if not diagnosis.ignores(census.recorder.task_sites.sites[sites[row]], task):
            reasons[serials[row]] = evidence(cycles.get(id(task), ()))
    return ProvenNow(reasons, proof.undecided, proof.examined)
