"""Snapshots of live processes: tasks with await chains, threads with stacks."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ..census.by_address import NumbersByAddress
from ..census.census import Census
from ..census.columns import Columns
from ..census.pace import SLICE, no_pause
from ..diagnose.diagnosis import Diagnosis
from ..diagnose.introspection.await_chain import MAX_FRAMES_REMEMBERED, AwaitChain, Frame
from ..diagnose.introspection.fields import (
    loop_of,
    name_of,
    plain_text,
    thread_name,
)
from ..diagnose.introspection.readable import chain_of
from ..diagnose.introspection.swallowed_cancels import swallowed_cancels, swallowed_text
from ..diagnose.introspection.thread_activity import ThreadActivity
from ..diagnose.introspection.wait_reason import library_wait, shows_thread_wait, thread_wait_reason, wait_reason_within
from ..diagnose.ownership.owners import owning_tasks
from ..diagnose.proof.wait_graph import awaited_tasks, deadlocks
from ..diagnose.states import VERDICT_NAMES
from ..diagnose.verdict.observation import chain_note
from ..record.creation_stack import CreationStack
from ..record.internals.of_asyncio import thread_running
from ..record.internals.of_threading import is_daemon, thread_ident, thread_native_id
from ..record.naming import CodeLine, absolute_path, function_name, line_of
from ..record.site import Kind, Site
from ..record.site_table import SiteTable
from .tally import group_by_site, group_by_stack
from .values import CreationSite, LivePicture, Snapshot, TaskSummary


def take_picture(census: Census, diagnosis: Diagnosis) -> Snapshot:
    """Return a snapshot of all live tasks and threads. The caller holds the census' lock.

    Cost: about 15 µs per task, in the calling thread.
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
    census: Census, diagnosis: Diagnosis, kind: Kind, pause: Callable[[], None] = no_pause
) -> Iterator[LivePicture]:
    """Yield one picture per live task or thread, in order of discovery, without keeping them.

    The caller holds the census' lock until the end. ``pause`` lets the application run before the first picture;
    between pictures, the caller does.
    """
    census.admit_young(pause)
    census.reconcile(at_once=True, pause=pause)
    return SnapshotBuilder(census, diagnosis, sys._current_frames()).pictures(kind)


def iter_summaries(census: Census, diagnosis: Diagnosis, pause: Callable[[], None] = no_pause) -> Iterator[TaskSummary]:
    """Yield one summary per live task, in order of discovery, without keeping them.

    The caller holds the census' lock until the end. ``pause`` lets the application run before the first summary;
    between summaries, the caller does.

    Cost: about 7 µs per task.
    """
    census.admit_young(pause)
    census.reconcile(at_once=True, pause=pause)
    return SnapshotBuilder(census, diagnosis, sys._current_frames()).summarize_tasks()


class SnapshotBuilder:
    """Builds pictures from rows; texts of frames and sites are created once.

    Args:
        census: The census.
        diagnosis: The diagnosis.
        frames: The current frames of all threads. Must not include a frame of a method of this class: together with
            everything that these frames hold, it would live until the next collection.
    """

    def __init__(self, census: Census, diagnosis: Diagnosis, frames: dict[int, FrameType]) -> None:
        self._census = census
        self._diagnosis = diagnosis
        self._now = census.clock.now()
        self._frames = frames
        self._sites: dict[Site, CreationSite] = {}
        self._creations: dict[CreationStack, tuple[CodeLine, ...]] = {}
        self._latest_stacks: dict[Site, CreationStack | None] = {}
        self._entries: dict[tuple[int, int], CodeLine] = {}
        self._stacks: dict[tuple[CodeLine, ...], tuple[CodeLine, ...]] = {}
        # Frames of chains are shared objects; the values keep them alive, so that no id is reused. Each value also has
        # the stack and the library wait.
        self._chains: dict[tuple[int, ...], tuple[tuple[Frame, ...], tuple[CodeLine, ...], str | None]] = {}
        self._loops: dict[int, str] = {}
        self._serials = NumbersByAddress()

    def pictures(self, kind: Kind) -> Iterator[LivePicture]:
        """Yield one picture per live row."""
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
            if task is not None and not columns.is_finished(task):
                yield self._task(columns, row, task, recorder.task_sites, cycles.get(columns.serials[row], ()))

    def _task(self, columns: Columns, row: int, task: Any, table: SiteTable, deadlock: tuple[int, ...]) -> LivePicture:
        chain = chain_of(task, current_frames=self._frames)
        site, serial = table.sites[columns.sites[row]], columns.serials[row]
        creator = columns.creators[row]
        made_by = creator() if creator is not None else None
        since = self._diagnosis.stalls.since(serial)
        creation, sampled = self._creation(site, task)
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
            verdict=VERDICT_NAMES.get(self._diagnosis.memory.of(columns).verdict[row]),
            stalled_s=None if since is None else max(0.0, self._now - since),
            reason=self._reason(serial, task),
            creation_stack=creation,
            creation_sampled=sampled,
            waits_for=self._serial_of(awaited[0]) if awaited else None,
            owners=tuple(sorted(found for owner in owners if (found := self._serial_of(owner)) is not None)),
            deadlock=deadlock,
            loop=self._loop(loop_of(task)),
            note=chain_note(chain),
            before_attach=bool(columns.before_attach[row]),
        )

    def _reason(self, serial: int, task: Any) -> str:
        evidence = self._diagnosis.reasons.get(serial, "")
        swallowed = swallowed_text(swallowed_cancels(task)) if evidence else ""
        return f"{evidence}; {swallowed}" if swallowed else evidence

    def summarize_tasks(self) -> Iterator[TaskSummary]:
        """Yield one summary per live task."""
        columns, sites = self._census.tasks, self._census.recorder.task_sites.sites
        references, numbers, serials, is_finished = (
            columns.references,
            columns.sites,
            columns.serials,
            columns.is_finished,
        )
        created_at, verdicts, now = columns.created_at, self._diagnosis.memory.of(columns).verdict, self._now
        stalled_since, reasons = self._diagnosis.stalls.since, self._diagnosis.reasons
        known: dict[int, tuple[Site, CreationSite]] = {}
        for row in range(len(columns)):
            task = references[row]()
            if task is None or is_finished(task):
                continue
            chain = chain_of(task, current_frames=self._frames)
            stack, library = self._stack(chain)
            number, serial = numbers[row], serials[row]
            here = known.get(number)
            if here is None:
                here = known[number] = sites[number], self._site(sites[number])
            creation, sampled = self._creation(here[0], task)
            since = stalled_since(serial)
            yield TaskSummary(
                "task",
                serial,
                here[1],
                max(0.0, now - created_at[row]),
                stack,
                wait_reason_within(task, chain, library),
                VERDICT_NAMES.get(verdicts[row]),
                None if since is None else max(0.0, now - since),
                reasons.get(serial, ""),
                creation,
                sampled,
                self._loop(loop_of(task)),
                chain_note(chain),
            )

    def _stack(self, chain: AwaitChain) -> tuple[tuple[CodeLine, ...], str | None]:
        frames = chain.frames
        key = tuple(map(id, frames))
        known = None if chain.truncated else self._chains.get(key)
        if known is None:
            stack = tuple(self._entry(frame.code, frame.line, frame.module) for frame in frames)
            known = frames, self._stacks.setdefault(stack, stack), library_wait(chain)
            # Frames that are recreated at every snapshot would fill the cache.
            if len(self._chains) < MAX_FRAMES_REMEMBERED and not chain.truncated:
                self._chains[key] = known
        return known[1], known[2]

    def _activity(self, columns: Columns) -> ThreadActivity:
        """Return which threads are asleep, for threads whose stacks do not show what they wait for."""
        activity = ThreadActivity()
        for reference in columns.references:
            thread = reference()
            frame = None if thread is None else self._frames.get(thread_ident(thread))
            if thread is not threading.current_thread() and frame is not None and not shows_thread_wait(frame):
                activity.note(thread_native_id(thread))
        activity.compare()
        return activity

    def _threads(self, columns: Columns, table: SiteTable) -> Iterator[LivePicture]:
        activity = self._activity(columns)
        for row in range(len(columns)):
            thread = columns.references[row]()
            if thread is None or columns.is_finished(thread):
                continue
            stack, waits_for = self._thread_stack(thread, activity)
            site = table.sites[columns.sites[row]]
            creation, sampled = self._creation(site, thread)
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
                verdict=VERDICT_NAMES.get(self._diagnosis.memory.of(columns).verdict[row]),
                is_daemon=is_daemon(thread),
                creation_stack=creation,
                creation_sampled=sampled,
                before_attach=bool(columns.before_attach[row]),
            )

    def _deadlocks(self, columns: Columns) -> dict[int, tuple[int, ...]]:
        """Return, by serial number, the await cycle of each task in one, starting with the task itself."""
        edges: dict[int, list[int]] = {}
        for row in range(len(columns)):
            task = columns.references[row]()
            awaited = awaited_tasks(task) if task is not None else ()
            if awaited:
                ahead = [found for awaited_task in awaited if (found := self._serial_of(awaited_task)) is not None]
                edges[columns.serials[row]] = ahead
        return {
            serial: cycle[place:] + cycle[:place] for cycle in deadlocks(edges) for place, serial in enumerate(cycle)
        }

    def _serial_of(self, task: Any) -> int | None:
        serial = self._serials.get(id(task))
        return serial if serial is not None else self._census.tasks.serial_of(task)

    def _thread_stack(self, thread: Any, activity: ThreadActivity) -> tuple[tuple[CodeLine, ...], str]:
        frame: FrameType | None = self._frames.get(thread_ident(thread))
        if frame is None:
            return (), "unknown"
        is_own = thread is threading.current_thread()
        asleep = False if is_own else activity.is_asleep(thread_native_id(thread))
        waits_for = thread_wait_reason(frame, is_asleep=asleep)
        entries = []
        while frame is not None:
            entries.append(
                self._entry(frame.f_code, frame.f_lineno or 0, plain_text(dict.get(frame.f_globals, "__name__")))
            )
            frame = frame.f_back
        return tuple(reversed(entries)), waits_for

    def _entry(self, code: Any, line: int, module: str) -> CodeLine:
        entry = self._entries.get((id(code), line))
        if entry is None:
            entry = CodeLine(function_name(code, module), absolute_path(code.co_filename), line)
            self._entries[id(code), line] = entry
        return entry

    def _site(self, site: Site) -> CreationSite:
        made = self._sites.get(site)
        if made is None:
            made = self._sites[site] = CreationSite(site.function, site.path, site.line, site.runs, site.via)
        return made

    def _creation(self, site: Site, found: object) -> tuple[tuple[CodeLine, ...], bool]:
        """Return the creation stack of a task or thread, else the latest of its site, and whether it is another's."""
        own = site.stack_of(found)
        stack = own or self._latest(site)
        if stack is None:
            return (), False
        made = self._creations.get(stack)
        if made is None:
            frames = reversed(stack.frames)
            made = tuple(self._entry(frame.code, line_of(frame.code, frame.lasti), frame.module) for frame in frames)
            self._creations[stack] = made
        return made, own is None

    def _latest(self, site: Site) -> CreationStack | None:
        # One per site and snapshot, because the application continues to create while the snapshot is taken.
        if site not in self._latest_stacks:
            self._latest_stacks[site] = site.any_stack()
        return self._latest_stacks[site]

    def _loop(self, loop: Any) -> str:
        name = self._loops.get(id(loop))
        if name is None:
            name = self._loops[id(loop)] = _loop_name(loop)
        return name


def _loop_name(loop: Any) -> str:
    """Return the name of the thread that runs a loop, ``closed`` or ``stopped``."""
    if loop.is_closed():
        return "closed"
    if not loop.is_running():
        return "stopped"
    thread = thread_running(loop)
    return thread.name if thread is not None else type(loop).__module__
