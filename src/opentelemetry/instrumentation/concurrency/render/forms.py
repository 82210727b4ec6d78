"""Every form of a snapshot that was read from elsewhere: what the command line does with the JSON of a process."""

from __future__ import annotations

from typing import Any, Final

from ..census.snapshot import LivePicture, Snapshot
from .folded import folded
from .full_text import full_text
from .grouped_text import grouped_text
from .output import write_bytes, write_text
from .pprof_profile import difference, pprof_profile, samples_of
from .process_info import ProcessInfo
from .snapshot_json import write_snapshot
from .tally import tally

FORMS: Final = ("pprof", "text", "full", "folded", "json")
"""Gzip protobuf, grouped text, every one in full, folded stacks, the snapshot itself."""

_NAMES: Final = ("task", "taskleak", "thread")


def write_form(snapshot: Snapshot, name: str, form: str, stream: Any, *, process: ProcessInfo | None = None) -> None:
    """Write a snapshot as a profile.

    Args:
        snapshot: What to show.
        name: ``task``, ``thread``, or ``taskleak``: the tasks with a verdict; no proof is run.
        form: One of `FORMS`; ``json`` is the whole snapshot, whatever the name.
        stream: Takes text or bytes; bytes for ``pprof``.
        process: Which process it shows; None if only its number is known.

    Raises:
        ValueError: If the name or form is unknown.
        TypeError: If the stream can't take it.
    """
    pictures = _pictures(snapshot, name)
    process = process or ProcessInfo(snapshot.process_id)
    if form == "pprof":
        samples = samples_of(tally(pictures, split_loops=True))
        write_bytes(pprof_profile(name, samples, taken_at=snapshot.taken_at, process=process), stream)
    elif form == "text":
        write_text(grouped_text(name, tally(pictures)), stream)
    elif form == "full":
        write_text(full_text(pictures), stream)
    elif form == "folded":
        write_text(folded(tally(pictures)), stream)
    elif form == "json":
        write_snapshot(snapshot, stream, process=process)
    else:
        message = f"Unknown form {form!r}: expected one of {', '.join(map(repr, FORMS))}."
        raise ValueError(message)


def write_pprof_difference(
    before: Snapshot, after: Snapshot, name: str, stream: Any, *, process: ProcessInfo | None = None
) -> None:
    """Write what a profile gained and, negative, lost between two snapshots, as gzip protobuf.

    Raises:
        ValueError: If the name is unknown.
        TypeError: If the stream can't take bytes.
    """
    samples = difference(
        tally(_pictures(before, name), split_loops=True), tally(_pictures(after, name), split_loops=True)
    )
    pieces = pprof_profile(
        name,
        samples,
        taken_at=after.taken_at,
        process=process or ProcessInfo(after.process_id),
        duration_s=max(0.0, after.taken_at - before.taken_at),
    )
    write_bytes(pieces, stream)


def _pictures(snapshot: Snapshot, name: str) -> list[LivePicture]:
    if name not in _NAMES:
        message = f"Unknown profile {name!r}: expected one of {', '.join(map(repr, _NAMES))}."
        raise ValueError(message)
    if name == "thread":
        return list(snapshot.threads)
    return [picture for picture in snapshot.tasks if name == "task" or picture.verdict is not None]
