"""Snapshots as JSON, from which a client can render every output format.

Stacks, frames and sites are numbered, because many tasks share them: a million tasks take about 100 MB, compressed a
tenth of that. Default values (no verdict, no owner, no deadlock) are omitted. ``snapshot.schema.json`` beside this
module is the published schema.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ..record.naming import CodeLine
from .interned import Interned
from .output import CompressedBuffer, write_text
from .process_info import ProcessInfo, this_process
from .reading import SCHEMA_VERSION, read_process_info, read_snapshot
from .tally import Tallies
from .values import CreationSite, LiveGroup, LivePicture, Snapshot

__all__ = [
    "SCHEMA_VERSION",
    "SnapshotWriter",
    "read_process_info",
    "read_snapshot",
    "snapshot_schema",
    "write_snapshot",
]

_NAME_LIMIT: Final = 10_000
_OPTIONAL: Final = (
    ("creator", None),
    ("verdict", None),
    ("is_daemon", False),
    ("reason", ""),
    ("waits_for", None),
    ("owners", ()),
    ("deadlock", ()),
    ("loop", ""),
    ("note", ""),
    ("before_attach", False),
)


def write_snapshot(snapshot: Snapshot, stream: Any, *, process: ProcessInfo | None = None, left_out: int = 0) -> None:
    """Write a snapshot as one JSON object.

    Args:
        snapshot: The snapshot.
        stream: A stream for text, or for bytes (ASCII).
        process: The process of the snapshot; None for this process if its number matches, otherwise only the number
            is written.
        left_out: Number of tasks or threads that were selected but are not in the snapshot.

    Cost: about 5 µs per task; the text is never in memory as a whole.
    """
    if process is None:
        process = this_process()
        process = process if process.process_id == snapshot.process_id else ProcessInfo(snapshot.process_id)
    document = _Document(snapshot.taken_at, process, left_out)
    tasks = _listed(map(document.picture, snapshot.tasks))
    threads = _listed(map(document.picture, snapshot.threads))
    write_text(document.pieces(snapshot.by_site, snapshot.by_stack, tasks, threads), stream)


class SnapshotWriter:
    """Writes pictures incrementally as a snapshot of this process, without keeping them: for a million tasks.

    Add all pictures, then write. Meanwhile they are stored as compressed text, about 15 bytes per task.
    """

    def __init__(self, process: ProcessInfo | None = None) -> None:
        self._document = _Document(time.time(), process or this_process())
        self._held = {"task": CompressedBuffer(), "thread": CompressedBuffer()}
        self._count = {"task": 0, "thread": 0}
        self._tallies = Tallies()

    def add(self, picture: LivePicture) -> None:
        """Add a picture. Cost: about 8 µs."""
        self._tallies.add(picture)
        separator = ",\n" if self._count[picture.kind] else ""
        self._count[picture.kind] += 1
        self._held[picture.kind].add(separator + self._document.picture(picture))

    def write(self, stream: Any) -> None:
        """Write the snapshot. May be called once."""
        tasks, threads = self._held["task"].read(), self._held["thread"].read()
        write_text(self._document.pieces(self._tallies.by_site(), self._tallies.by_stack(), tasks, threads), stream)


def snapshot_schema() -> dict[str, Any]:
    """Return the published JSON Schema of the output of `write_snapshot`."""
    from importlib.resources import files

    schema: dict[str, Any] = json.loads(files(__package__).joinpath("snapshot.schema.json").read_text("utf-8"))
    return schema


class _Document:
    """Numbers shared values while pictures and groups are written; the tables come last in the document."""

    def __init__(self, taken_at: float, process: ProcessInfo, left_out: int = 0) -> None:
        self._taken_at = taken_at
        self._left_out = left_out
        self._process = process
        self._sites: Interned[CreationSite] = Interned()
        self._stacks: Interned[tuple[CodeLine, ...]] = Interned()

    def picture(self, picture: LivePicture) -> str:
        """Return a task or thread as a JSON object."""
        made: dict[str, Any] = {
            "serial": picture.serial,
            "name": _cut(picture.name),
            "site": self._sites.number(picture.site),
            "age_s": round(picture.age_s, 3),
            "stack": self._stacks.number(picture.stack),
            "wait_reason": picture.wait_reason,
        }
        if picture.stalled_s is not None:
            made["stalled_s"] = round(picture.stalled_s, 3)
        if picture.creation_stack:
            made["creation_stack"] = self._stacks.number(picture.creation_stack)
            made["creation_sampled"] = picture.creation_sampled
        for name, usual in _OPTIONAL:
            value = getattr(picture, name)
            if value != usual:
                made[name] = value
        return _compact(made)

    def _group(self, group: LiveGroup, *, with_stack: bool) -> str:
        made: dict[str, Any] = {
            "kind": group.kind,
            "count": group.count,
            "site": self._sites.number(group.site),
            "oldest_s": round(group.oldest_s, 3),
            "orphans": group.orphans,
        }
        if with_stack:
            made["stack"] = self._stacks.number(group.stack)
            made["wait_reason"] = group.wait_reason
            if group.verdict is not None:
                made["verdict"] = group.verdict
        if group.longest_stall_s is not None:
            made["longest_stall_s"] = round(group.longest_stall_s, 3)
        if group.creation_stack:
            made["creation_stack"] = self._stacks.number(group.creation_stack)
            made["creation_sampled"] = group.creation_sampled
        return _compact(made)

    def pieces(
        self, by_site: Iterable[LiveGroup], by_stack: Iterable[LiveGroup], tasks: Iterator[str], threads: Iterator[str]
    ) -> Iterator[str]:
        """Yield the whole document; ``tasks`` and ``threads`` are the contents of their lists."""
        by_stack = tuple(by_stack)
        process = self._process
        head = {
            "schema_version": SCHEMA_VERSION,
            "taken_at": self._taken_at,
            "process": {
                "process_id": process.process_id,
                "python_version": process.python_version,
                "service_name": process.service_name,
                "instrumentation_version": process.instrumentation_version,
            },
            "totals": {"tasks": _totals(by_stack, "task"), "threads": _totals(by_stack, "thread")},
            **({"left_out": self._left_out} if self._left_out else {}),
        }
        yield json.dumps(head, indent=1).removesuffix("\n}")
        yield from self._list("by_site", _listed(self._group(group, with_stack=False) for group in by_site))
        yield from self._list("by_stack", _listed(self._group(group, with_stack=True) for group in by_stack))
        yield from self._list("tasks", tasks)
        yield from self._list("threads", threads)
        frames: Interned[CodeLine] = Interned()
        yield from self._list("sites", _listed(_compact(_site(site, frames)) for site in self._sites.values))
        stacks = _listed(_compact([frames.number(entry) for entry in stack]) for stack in self._stacks.values)
        yield from self._list("stacks", stacks)
        yield from self._list("frames", _listed(_compact(_frame(entry)) for entry in frames.values))
        yield "\n}\n"

    def _list(self, name: str, items: Iterator[str]) -> Iterator[str]:
        yield f',\n "{name}": [\n'
        yield from items
        yield "\n ]"


def _listed(items: Iterable[str]) -> Iterator[str]:
    separator = ""
    for item in items:
        yield separator + item
        separator = ",\n"


def _totals(groups: Iterable[LiveGroup], kind: str) -> Mapping[str, int]:
    totals = {"live": 0, "orphaned": 0, "unwakeable": 0}
    for group in groups:
        if group.kind == kind:
            totals["live"] += group.count
            if group.verdict in totals:
                totals[group.verdict] += group.count
    return totals


def _site(site: CreationSite, frames: Interned[CodeLine]) -> dict[str, Any]:
    made = _frame(site)
    if site.runs:
        made["runs"] = _cut(site.runs)
    if site.via:
        made["via"] = [frames.number(spawner) for spawner in site.via]
    return made


def _frame(entry: CodeLine | CreationSite) -> dict[str, Any]:
    return {"function": _cut(entry.function), "path": _cut(entry.path), "line": entry.line}


def _cut(text: str) -> str:
    if len(text) <= _NAME_LIMIT:
        return text
    return f"{text[:_NAME_LIMIT]}… ({len(text) - _NAME_LIMIT} more characters)"


_compact = json.JSONEncoder(separators=(",", ":")).encode
