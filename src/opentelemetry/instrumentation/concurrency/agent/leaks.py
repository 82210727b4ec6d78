"""``leaks``: the diagnosis and the proof, now, over every suspended task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from ..diagnose.picture import iter_pictures
from ..diagnose.verdict import describe
from ..diagnose.wakeability import evidence, proof_on_demand
from ..render.snapshot_json import SnapshotWriter
from .protocol import Reply
from .target import Target

_SLICE: Final = 200
MAX_SUSPECTS: Final = 50_000
"""Tasks that the proof looks at, the oldest; it takes 100 µs each."""


def answer_leaks(target: Target, reply: Reply, pause: Callable[[], None]) -> None:
    """Write a snapshot of what has a verdict; the facts say what was looked at and which sites grow.

    The scan it begins with is one more of the usual, with reports and all. The census is not held during the proof.

    Cost: one scan, about 100 µs a task for the proof, 15 µs a task for the picture.
    """
    census = target.census
    census.look()
    with census.locked():
        census.admit_young()
        census.reconcile(at_once=True)
        columns = census.tasks
        rows = sorted(range(len(columns)), key=columns.created_at.__getitem__)[:MAX_SUSPECTS]
        left_out = len(columns) - len(rows)
        tasks = [task for row in rows if (task := columns.references[row]()) is not None]
    proof = proof_on_demand(tasks, pause=pause)
    del tasks
    cycles = {id(member()): cycle for cycle in proof.cycles for member in cycle}
    proven = {id(task): evidence(cycles.get(id(task), ())) for ref in proof.unwakeable if (task := ref()) is not None}
    writer, number = SnapshotWriter(), 0
    with census.locked():
        by_serial = _serials(census.tasks, proof.unwakeable, proven)
        for kind in ("task", "thread"):
            for picture in iter_pictures(census, target.diagnosis, kind):  # type: ignore[arg-type]
                clause = by_serial.get(picture.serial) if kind == "task" else None
                if clause is not None:
                    reason = ", ".join(filter(None, (picture.reason, clause)))
                    writer.add(replace(picture, verdict="unwakeable", reason=reason))
                elif picture.verdict is not None:
                    writer.add(picture)
                number += 1
                if number % _SLICE == 0:
                    pause()
        growing = [found for group in target.diagnosed.groups if group.verdict == "growing" and (found := _said(target, group))]
    reply.facts.update(examined=proof.examined, undecided=proof.undecided, left_out=left_out, growing=growing)
    writer.write(reply)


def _serials(columns: Any, references: Any, proven: dict[int, str]) -> dict[int, str]:
    found = {}
    for reference in references:
        task = reference()
        serial = columns.serial_of(task) if task is not None else None
        if serial is not None:
            found[serial] = proven.get(id(task), "")
    return found


def _said(target: Target, group: Any) -> dict[str, Any] | None:
    finding = describe(group, target.census.clock, target.diagnosis.stalls)
    if finding is None:
        return None
    return {
        "kind": finding.kind,
        "function": finding.function,
        "path": finding.path,
        "line": finding.line,
        "count": finding.count,
        "reason": finding.reason,
    }
