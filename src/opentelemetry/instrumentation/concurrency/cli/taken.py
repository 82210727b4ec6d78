"""Snapshots and counts of one process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..snapshot.as_json import read_process_info, read_snapshot
from ..snapshot.process_info import ProcessInfo
from ..snapshot.tally import Tally, tally
from ..snapshot.values import Snapshot
from .failures import CommandError


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot and its process."""

    snapshot: Snapshot
    process: ProcessInfo


@dataclass(frozen=True, slots=True)
class Counted:
    """Tallies of live tasks or threads, with their time and process."""

    counts: list[Tally]
    taken_at: float
    process: ProcessInfo


def counted(taken: Taken, kind: str, *, split_loops: bool = False) -> Counted:
    """Count the tasks or threads of a snapshot; ``taskleak`` counts the tasks with a verdict."""
    pictures = taken.snapshot.threads if kind == "thread" else taken.snapshot.tasks
    chosen = [one for one in pictures if kind != "taskleak" or one.verdict is not None]
    return Counted(tally(chosen, split_loops=split_loops), taken.snapshot.taken_at, taken.process)


def taken_from(body: bytes, where: str) -> Taken:
    """Return the snapshot in a JSON text.

    Raises:
        CommandError: If the text is not a snapshot.
    """
    try:
        parsed = _parsed(body)
        return Taken(read_snapshot(parsed), read_process_info(parsed))
    except ValueError as error:
        message = f"{where}: {error}"
        raise CommandError(message) from None


def _parsed(body: bytes) -> bytes | Mapping[str, Any]:
    """Return the object in a JSON text, or the text itself, which its reader then rejects."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return found if isinstance(found, dict) else body
