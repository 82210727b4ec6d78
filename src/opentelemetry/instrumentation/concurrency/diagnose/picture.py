"""Takes the snapshot: every living task with its await chain, every thread with its stack."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from ..census.by_address import NumbersByAddress
from ..census.census import Census
from ..census.columns import Columns
from ..census.pace import SLICE
from ..census.snapshot import CreationSite, Glimpse, LivePicture, Snapshot, StackEntry, group_by_site, group_by_stack
from ..record.naming import absolute_path, function_name, line_of
from ..record.site import CreationStack, Kind, Site, SiteTable
from .await_chain import MAX_FRAMES_REMEMBERED, AwaitChain, Frame
from .diagnosis import Diagnosis
from .fields import is_daemon, loop_of, name_of, plain_text, thread_ident, thread_name
from .ownership import owning_tasks
from .readable import chain_of
from .verdict import chain_note, creation_stack
from .wait_graph import awaited_tasks, deadlocks
from .wait_reason import library_wait, thread_wait_reason, wait_reason_within

_VERDICTS: Final = {0: None, 1: "orphaned", 2: "unwakeable"}


def _no_pause() -> None:
    """Go on at once."""


def take_picture(census: Census, diagnosis: Diagnosis) -> Snapshot:
    """Return a snapshot of everything alive. The caller holds the census' lock.

    Cost: about 15 µs a task, in the calling thread.
    """
    tasks = tuple(iter_pictures(census, diagnosis, "task"))
    threads = tuple(iter_pictures(census, diagnosis, "thread"))
    return Snapshot(
        taken_at=time.time(),
        process_id=os.getpid(),
        tasks=tasks,
        threads=threads,
        by_site=group_by_site((*tasks, *threads)),
        by_stack=group_by_stack((*tasks, *threads)),
    )


def iter_pictures(
    census: Census, diagnosis: Diagnosis, kind: Kind, pause: Callable[[], None] = _no_pause
) -> Iterator[LivePicture]:
    """Yield one picture for each living task or thread, in order of discovery, and keep none.

    The caller holds the census' lock until the end. ``pause`` lets the application run before the first is yielded;
    between two of them the caller does.
    """
    census.admit_young(pause)
    census.reconcile(at_once=True, pause=pause)
    return _Painter(census, diagnosis, sys._current_frames()).paint(kind)


def iter_glimpses(census: Census, diagnosis: Diagnosis, pause: Callable[[], None] = _no_pause) -> Iterator[Glimpse]:
    """Yield one glimpse for each living task, in order of discovery, and keep none.

    The caller holds the census' lock until the end. ``pause`` lets the application run before the first is yielded;
    between two of them the caller does.

    Cost: about 7 µs a task.
    """
    census.admit_young(pause)
    census.reconcile(at_once=True, pause=pause)
    return _Painter(census, diagnosis, sys._current_frames()).glimpse_tasks()


class _Painter:
    """Paints rows; texts of frames and sites are made once each.

    Args:
        census: What is alive.
        diagnosis: What is known of it.
        frames: Those of all threads. None may be a method's of the painter: with what all of them hold, it would be
            kept until the next collection.
    """

    def __init__(self, census: Census, diagnosis: Diagnosis, frames: dict[int, FrameType]) -> None:
        self._census = census
        self._diagnosis = diagnosis
        self._now = census.clock.now()
        self._frames = frames
        self._sites: dict[Site, CreationSite] = {}
        self._creations: dict[CreationStack, tuple[StackEntry, ...]] = {}
        self._entries: dict[tuple[int, int], StackEntry] = {}
        self._stacks: dict[tuple[StackEntry, ...], tuple[StackEntry, ...]] = {}
        # Frames of chains are shared objects; the values keep them alive, so that no identity is used again. Beside
        # them the stack and the library wait.
        self._chains: dict[tuple[int, ...], tuple[tuple[Frame, ...], tuple[StackEntry, ...], str | None]] = {}
        self._loops: dict[int, str] = {}
        self._serials = NumbersByAddress()

    def paint(self, kind: Kind) -> Iterator[LivePicture]:
        """Yield one picture for each living row."""
        recorder = self._census.recorder
        if kind == "thread":
            yield from self._threads(self._census.threads, recorder.thread_sites)
            return
        columns = self._census.tasks
        for start in range(0, len(columns), SLICE):
            rows = slice(start, start + SLICE)
            self._serials.add(columns.addresses[rows], columns.serials[rows])
        cycles = self._deadlocks(columns)
        for row in range(len(columns)):
            task = columns.references[row]()
            if task is not None and not columns.is_gone(task):
                yield self._task(columns, row, task, recorder.task_sites, cycles.get(columns.serials[row], ()))

    def _task(self, columns: Columns, row: int, task: Any, table: SiteTable, deadlock: tuple[int, ...]) -> LivePicture:
        chain = chain_of(task, current_frames=self._frames)
        site, serial = table.sites[columns.sites[row]], columns.serials[row]
        creator = columns.creators[row]
        made_by = creator() if creator is not None else None
        since = self._diagnosis.stalls.since(serial)
        creation, sampled = self._creation(site, columns.created_at[row])
        stack, library = self._stack(chain)
        awaited = awaited_tasks(task)
        owners = owning_tasks(task)
        return LivePicture(
            kind="task",
            serial=serial,
            name=plain_text(name_of(task)),
            site=self._site(site),
            age_s=max(0.0, self._now - columns.created_at[row]),
            creator=None if made_by is None else self._serial_of(made_by),
            stack=stack,
            wait_reason=wait_reason_within(task, chain, library),
            verdict=_VERDICTS.get(columns.is_orphan[row]),
            stalled_s=None if since is None else max(0.0, self._now - since),
            reason=self._diagnosis.reasons.get(serial, ""),
            creation_stack=creation,
            creation_sampled=sampled,
            waits_for=self._serial_of(awaited[0]) if awaited else None,
            owners=tuple(sorted(found for owner in owners if (found := self._serial_of(owner)) is not None)),
            deadlock=deadlock,
            loop=self._loop(loop_of(task)),
            note=chain_note(chain),
        )

    def glimpse_tasks(self) -> Iterator[Glimpse]:
        """Yield one glimpse for each living task."""
        columns, sites = self._census.tasks, self._census.recorder.task_sites.sites
        references, numbers, serials, is_gone = columns.references, columns.sites, columns.serials, columns.is_gone
        created_at, is_orphan, now = columns.created_at, columns.is_orphan, self._now
        stalled_since, reasons = self._diagnosis.stalls.since, self._diagnosis.reasons
        known: dict[int, tuple[CreationSite, tuple[StackEntry, ...]]] = {}
        for row in range(len(columns)):
            task = references[row]()
            if task is None or is_gone(task):
                continue
            chain = chain_of(task, current_frames=self._frames)
            stack, library = self._stack(chain)
            number, serial = numbers[row], serials[row]
            here = known.get(number)
            if here is None:
                site = sites[number]
                here = known[number] = self._site(site), self._creation(site, None)[0]
            since = stalled_since(serial)
            yield Glimpse(
                "task",
                serial,
                here[0],
                max(0.0, now - created_at[row]),
                stack,
                wait_reason_within(task, chain, library),
                _VERDICTS.get(is_orphan[row]),
                None if since is None else max(0.0, now - since),
                reasons.get(serial, ""),
                here[1],
                self._loop(loop_of(task)),
                chain_note(chain),
            )

    def _stack(self, chain: AwaitChain) -> tuple[tuple[StackEntry, ...], str | None]:
        frames = chain.frames
        key = tuple(map(id, frames))
        known = None if chain.truncated else self._chains.get(key)
        if known is None:
            stack = tuple(self._entry(frame.code, frame.line, frame.module) for frame in frames)
            known = frames, self._stacks.setdefault(stack, stack), library_wait(chain)
            # Frames that are made anew for each look would fill it.
            if len(self._chains) < MAX_FRAMES_REMEMBERED and not chain.truncated:
                self._chains[key] = known
        return known[1], known[2]

    def _threads(self, columns: Columns, table: SiteTable) -> Iterator[LivePicture]:
        for row in range(len(columns)):
            thread = columns.references[row]()
            if thread is None or columns.is_gone(thread):
                continue
            stack, waits_for = self._thread_stack(thread)
            site = table.sites[columns.sites[row]]
            creation, sampled = self._creation(site, columns.created_at[row])
            creator = columns.creators[row]
            made_by = creator() if creator is not None else None
            yield LivePicture(
                kind="thread",
                serial=columns.serials[row],
                name=thread_name(thread),
                site=self._site(site),
                age_s=max(0.0, self._now - columns.created_at[row]),
                creator=None if made_by is None else self._census.tasks.serial_of(made_by),
                stack=self._stacks.setdefault(stack, stack),
                wait_reason=waits_for,
                verdict=_VERDICTS.get(columns.is_orphan[row]),
                is_daemon=is_daemon(thread),
                creation_stack=creation,
                creation_sampled=sampled,
            )

    def _deadlocks(self, columns: Columns) -> dict[int, tuple[int, ...]]:
        """Return, by serial number, the deadlock cycle of each task that is in one, itself first."""
        edges: dict[int, list[int]] = {}
        for row in range(len(columns)):
            task = columns.references[row]()
            awaited = awaited_tasks(task) if task is not None else ()
            if awaited:
                ahead = [found for one in awaited if (found := self._serial_of(one)) is not None]
                edges[columns.serials[row]] = ahead
        return {
            serial: cycle[place:] + cycle[:place] for cycle in deadlocks(edges) for place, serial in enumerate(cycle)
        }

    def _serial_of(self, task: Any) -> int | None:
        serial = self._serials.get(id(task))
        return serial if serial is not None else self._census.tasks.serial_of(task)

    def _thread_stack(self, thread: Any) -> tuple[tuple[StackEntry, ...], str]:
        frame: FrameType | None = self._frames.get(thread_ident(thread))
        if frame is None:
            return (), "unknown"
        waits_for = thread_wait_reason(frame)
        entries = []
        while frame is not None:
            entries.append(
                self._entry(frame.f_code, frame.f_lineno or 0, plain_text(dict.get(frame.f_globals, "__name__")))
            )
            frame = frame.f_back
        return tuple(reversed(entries)), waits_for

    def _entry(self, code: Any, line: int, module: str) -> StackEntry:
        entry = self._entries.get((id(code), line))
        if entry is None:
            entry = StackEntry(function_name(code, module), absolute_path(code.co_filename), line)
            self._entries[id(code), line] = entry
        return entry

    def _site(self, site: Site) -> CreationSite:
        made = self._sites.get(site)
        if made is None:
            made = self._sites[site] = CreationSite(site.function, site.path, site.line)
        return made

    def _creation(self, site: Site, created_at: float | None) -> tuple[tuple[StackEntry, ...], bool]:
        stack, sampled = creation_stack(site, self._census.clock, created_at)
        if stack is None:
            return (), False
        made = self._creations.get(stack)
        if made is None:
            frames = reversed(stack.frames)
            made = tuple(self._entry(each.code, line_of(each.code, each.lasti), each.module) for each in frames)
            self._creations[stack] = made
        return made, sampled

    def _loop(self, loop: Any) -> str:
        name = self._loops.get(id(loop))
        if name is None:
            name = self._loops[id(loop)] = _loop_name(loop)
        return name


def _loop_name(loop: Any) -> str:
    """Return the name of the thread that runs a loop, ``closed`` or ``stopped``."""
    import threading

    if loop.is_closed():
        return "closed"
    if not loop.is_running():
        return "stopped"
    thread = threading._active.get(getattr(loop, "_thread_id", None))  # type: ignore[attr-defined]
    return thread.name if thread is not None else type(loop).__module__
