"""What was created while a check was open, with its whole stack and its owner; and what of it is left.

A recorder of our own with every stack and a census without its thread, put in with the first check and taken out with
the last. They stand beside those of an instrumented process and leave its counts, sampling and reports alone; where
the application takes its instrumentation out in the middle of a test, the check goes on seeing.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import sys
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import cache
from typing import Any, Final, NamedTuple
from weakref import ReferenceType, ref

from ..census.census import Census
from ..census.pace import SLICE
from ..record.creator import CreatorSpan, current_creator
from ..record.patch import Patch
from ..record.recorder import Recorder
from ..record.site import CreationStack, Kind, Site
from ..record.threads import executor_of
from .runner_hooks import RunnerHooks
from .scope import Scope, current_scope, owner_of, scope_in, scope_of_thread

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

_WHOLE_STACK: Final = 10_000
_PRUNE_ABOVE: Final = 256
_NOBODY: Final = object()
_RUNNERS: Final = re.compile(
    r"(_pytest|pluggy|pytest_asyncio|anyio\.pytest_plugin|pytest_aiohttp|unittest|xdist|execnet|"
    r"opentelemetry\.instrumentation\.concurrency\.testing)(\.|$)"
)


class Record(NamedTuple):
    """What is remembered of one creation: the object, its site and stack, and whose it is."""

    reference: ReferenceType[Any]
    site: Site
    stack: CreationStack
    owner: Scope | None


class Leftover(NamedTuple):
    """One task or thread that is left of a scope."""

    kind: Kind
    reference: ReferenceType[Any]
    serial: int
    site: Site
    created_at: float
    creator: ReferenceType[Any] | None
    creator_span: CreatorSpan | None
    stack: CreationStack | None
    owner: Scope | None


class Recording:
    """The recorder, the census and the records of this process' checks. There is one, made by ``recording()``."""

    def __init__(self) -> None:
        self.recorder = Recorder(
            stack_depth=_WHOLE_STACK,
            stack_sampling=1,
            on_record=_nothing,
            before_cancel_all=self.before_cancel,
            locate=_no_site,
            on_destroyed=self._on_destroyed,
        )
        for table in (self.recorder.task_sites, self.recorder.thread_sites):
            table.watcher = self._note
            table.ends_stack = _is_of_a_runner
        self.census = Census(self.recorder, scan_interval=3600.0, on_look=_no_look)
        self._runner_hooks = RunnerHooks(self.before_cancel)
        self._starting: dict[int, tuple[ReferenceType[Any], Scope | None]] = {}
        """Whose a thread is that has not yet come back from its ``start``: it may create something meanwhile."""
        self._start_patch = Patch(threading.Thread, "start", self._start_hook)
        self._records: dict[int, Record] = {}
        self._prune_above = _PRUNE_ABOVE
        self._open_scopes: list[Scope] = []
        self._uses = 0
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_child)

    def hold(self) -> None:
        """Record from now on; the hooks go in with the first who holds."""
        with self._lock:
            self._uses += 1
            if self._uses == 1:
                # Beneath the recorder's own hook, which looks at who called it.
                self._start_patch.install()
                self.recorder.install()
            self._runner_hooks.install()

    def release(self) -> None:
        """Hold no longer; the hooks come out with the last."""
        with self._lock:
            self._uses = max(0, self._uses - 1)
            if self._uses == 0:
                self._runner_hooks.remove()
                self.recorder.uninstall()
                self._start_patch.remove()
                self._records.clear()
                self._starting.clear()

    def open(self, scope: Scope) -> None:
        """Begin a check: what exists now is none of its leaks."""
        self.hold()
        scope.task_mark, scope.thread_mark = self.marks()
        self._open_scopes.append(scope)

    def close(self, scope: Scope) -> None:
        """End a check. Does nothing for one that has ended."""
        if scope.is_open:
            scope.is_open = False
            if scope in self._open_scopes:
                self._open_scopes.remove(scope)
                self.release()

    def marks(self) -> tuple[int, int]:
        """Return the highest serial numbers of tasks and threads that exist now."""
        with self.census.locked():
            self._refresh()
            for columns in (self.census.tasks, self.census.threads):
                columns.sweep(SLICE, {}, _nothing, (0.0, 0.0, 0.0))
            return self.census.tasks.last_serial, self.census.threads.last_serial

    def leftovers(self, scope: Scope, *, tasks: bool = True, threads: bool = True) -> list[Leftover]:
        """Return what was created in ``scope``, still lives, and was not reported by a check inside it.

        Cost: O(living tasks and threads) for those that no hook saw, about 0.1 µs each.
        """
        with self.census.locked():
            self._refresh()
            found = [*self._rows("task", scope.task_mark)] if tasks else []
            if threads:
                found += self._rows("thread", scope.thread_mark)
        me = _running_task()
        return [
            one
            for one in found
            if scope.takes(one.owner) and (one.kind, one.serial) not in scope.reported and one.reference() is not me
        ]

    def everything(self) -> list[Leftover]:
        """Return every task and thread that lives now, whoever created it."""
        with self.census.locked():
            self._refresh()
            return [*self._rows("task", 0), *self._rows("thread", 0)]

    def before_cancel(self, loop: Any) -> None:
        """Let things settle in a runner's loop, then note what its runner is about to cancel.

        A loop that an exit or interrupt broke off accuses nobody: nothing in it was given the time to end.
        """
        interruption = sys.exc_info()[1]
        if interruption is not None and not isinstance(interruption, Exception):
            return
        if self._open_scopes and not sys.modules["asyncio"].all_tasks(loop):
            return
        from .settling import note_what_is_cancelled

        for scope in self._open_scopes[:]:
            note_what_is_cancelled(self, scope, loop)

    def _refresh(self) -> None:
        census = self.census
        census.admit_young()
        loop = _running_loop()
        if loop is not None:
            census.loops.meet(loop, census.clock.now())
        census.reconcile(at_once=True)

    def _rows(self, kind: Kind, mark: int) -> Iterator[Leftover]:
        columns = self.census.tasks if kind == "task" else self.census.threads
        table = self.recorder.task_sites if kind == "task" else self.recorder.thread_sites
        for row in range(bisect_right(columns.serials, mark), len(columns)):
            found = columns.references[row]()
            if found is None or columns.is_gone(found):
                continue
            record = self._record_of(found)
            site = table.sites[columns.sites[row]]
            yield Leftover(
                kind,
                columns.references[row],
                columns.serials[row],
                site if record is None else record.site,
                columns.created_at[row],
                columns.creators[row],
                columns.creator_spans[row],
                None if record is None else record.stack,
                _owner_of_stranger(found) if record is None else record.owner,
            )

    def _record_of(self, found: Any) -> Record | None:
        record = self._records.get(id(found))
        return record if record is not None and record.reference() is found else None

    def _note(self, found: Any, site: Site, stack: CreationStack) -> None:
        """Remember a creation; runs in the hook, in the context of the creating code."""
        self._records[id(found)] = Record(ref(found), site, stack, self._owner_here())
        self._starting.pop(id(found), None)
        if len(self._records) > self._prune_above:
            self._prune()

    def _start_hook(self, wrapped: Callable[..., None]) -> tuple[Callable[..., None], Callable[[], None]]:
        starting = self._starting

        def start(thread: threading.Thread) -> None:
            try:
                starting[id(thread)] = ref(thread), self._owner_here()
            except Exception:
                _logger.warning("Leak tests could not note the start of %r", thread, exc_info=True)
            try:
                wrapped(thread)
            except BaseException:
                starting.pop(id(thread), None)
                raise

        return start, _nothing

    def _owner_here(self) -> Scope | None:
        """Return the scope that a creation by the running code belongs to."""
        creator = self._scope_of_creator()
        owner = owner_of(current_scope(), creator)
        if creator is None and (owner is None or not owner.is_open) and _running_loop() is None:
            return scope_of_thread() or owner
        return owner

    def _scope_of_creator(self) -> Scope | None:
        reference = current_creator()
        creator = reference() if reference is not None else None
        record = self._record_of(creator)
        owner = self._owner_of_starting(creator) if record is None else record.owner
        if isinstance(creator, threading.Thread) and owner and not owner.is_open and executor_of(creator) is not None:
            # A pool worker works for everybody, not for the test that happened to start it.
            return None
        return owner

    def _owner_of_starting(self, thread: Any) -> Scope | None:
        reference, owner = self._starting.get(id(thread), (_gone, None))
        return owner if reference() is thread else None

    def _prune(self) -> None:
        gone = self.census.tasks.is_gone, self.census.threads.is_gone
        for address, record in list(self._records.items()):
            found = record.reference()
            if found is None or gone[record.site.kind == "thread"](found):
                self._records.pop(address, None)
        self._prune_above = _PRUNE_ABOVE + 3 * len(self._records)

    def _on_destroyed(self, _site: Site, task: Any) -> None:
        from .leak import destroyed_leak

        record = self._records.pop(id(task), None)
        if record is None or record.owner is None or record.reference() not in (None, task):
            return
        for scope in record.owner.and_outer():
            if scope.is_open:
                scope.lost.append(destroyed_leak(task, record.site, record.stack))
                return
            if scope.is_boundary:
                return

    def _in_child(self) -> None:
        for scope in self._open_scopes:
            scope.is_open = False
        self._open_scopes.clear()
        self._lock = threading.Lock()
        self._records.clear()
        self._starting.clear()
        self.recorder.start_empty()
        self.census.forget()


def _owner_of_stranger(found: Any) -> Scope | None:
    """Return whose a task is that no hook saw, from the context it runs in."""
    if isinstance(found, threading.Thread):
        return None
    # The context of a task has no public name before 3.12; its garbage collector knows it in all versions.
    for held in gc.get_referents(found):
        if type(held) is Context:
            return scope_in(held)
    return None


def _running_task() -> Any | None:
    """Return the task that is looking, which is no leftover, or something that nothing is."""
    loop = _running_loop()
    task = sys.modules["asyncio"].current_task(loop) if loop is not None else None
    return _NOBODY if task is None else task


def _running_loop() -> Any | None:
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None


@cache
def _is_of_a_runner(module: str) -> bool:
    return _RUNNERS.match(module) is not None


def _gone() -> None:
    """Stand in for a weak reference to nothing."""


def _nothing() -> None:
    """Do nothing: no census thread is wanted, and no pause."""


def _no_look(_look: Any, _pause: Any) -> None:
    """Do nothing: the census is asked, it never scans."""


def _no_site(_task: Any) -> None:
    """Know no site: the records are asked instead."""


_recording: Recording | None = None
_making = threading.Lock()


def recording() -> Recording:
    """Return the recording of this process, made at the first call."""
    global _recording
    with _making:
        if _recording is None:
            _recording = Recording()
        return _recording
