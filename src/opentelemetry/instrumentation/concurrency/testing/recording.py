"""Recording of creations during checks, and of what remains of them.

A separate recorder with every stack, and a census without its thread, are installed with the first check and removed
with the last. They exist beside those of an instrumented process and do not affect its counts, sampling and reports. If
the application removes its instrumentation during a test, the check still sees creations.
"""

from __future__ import annotations

import gc
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
from ..own_log import own_logger
from ..record.creation_stack import CreationStack
from ..record.creator import current_creator
from ..record.internals.of_asyncio import running_loop
from ..record.patch import Patch
from ..record.recorder import Recorder
from ..record.site import Kind, Site
from ..record.threads import executor_of
from ..settings import load_settings
from .leftover import Leftover, Record
from .runner_hooks import RunnerHooks
from .scope import Scope, current_scope, owner_of, scope_in, scope_of_thread

_logger = own_logger()

_WHOLE_STACK: Final = 10_000
_PRUNE_ABOVE: Final = 256
_NO_CREATOR: Final = object()
_RUNNERS: Final = re.compile(
    r"(_pytest|pluggy|pytest_asyncio|anyio\.pytest_plugin|pytest_aiohttp|unittest|xdist|execnet|"
    r"opentelemetry\.instrumentation\.concurrency\.testing)(\.|$)"
)


class _Callbacks(NamedTuple):
    """The callbacks of an open check."""

    before_cancel: Callable[[Any], None]
    on_destroyed: Callable[[Any, Site, CreationStack], None]


class Recording:
    """The recorder, the census and the records of this process' checks; a singleton returned by ``recording()``."""

    def __init__(self) -> None:
        # An instrumented process warns about invalid values; the warnings are not repeated here.
        settings = load_settings({}, os.environ, warn=_no_warning)
        self.recorder = Recorder(
            stack_depth=_WHOLE_STACK,
            stack_sampling=1,
            on_record=_nothing,
            before_cancel_all=self.before_cancel,
            locate=_no_site,
            on_destroyed=self._on_destroyed,
            spawners=settings.spawners,
            application=settings.application,
            recorder=settings.recorder,
        )
        for table in (self.recorder.task_sites, self.recorder.thread_sites):
            table.watcher = self._note
            table.ends_stack = is_of_a_runner
        self.census = Census(self.recorder, scan_interval=3600.0, on_scan=_no_scan)
        self._runner_hooks = RunnerHooks(self.before_cancel)
        self._starting: dict[int, tuple[ReferenceType[Any], Scope | None]] = {}
        """Owners of threads whose ``start`` has not returned yet, because they may create something meanwhile."""
        self._start_patch = Patch(threading.Thread, "start", self._start_hook)
        self._records: dict[int, Record] = {}
        self._prune_above = _PRUNE_ABOVE
        self._open: dict[Scope, _Callbacks] = {}
        self.has_timers: Callable[[Any], bool] = _has_none
        """Returns whether a check wants timers and one is scheduled in a loop."""
        self._uses = 0
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_child)

    def hold(self) -> None:
        """Start recording; the first holder installs the hooks."""
        with self._lock:
            self._uses += 1
            if self._uses == 1:
                # Beneath the recorder's own hook, which inspects its caller.
                self._start_patch.install()
                self.recorder.install()
            self._runner_hooks.install()

    def release(self) -> None:
        """Stop recording; the last holder removes the hooks."""
        with self._lock:
            self._uses = max(0, self._uses - 1)
            if self._uses == 0:
                self._runner_hooks.remove()
                self.recorder.uninstall()
                self._start_patch.remove()
                self._records.clear()
                self._starting.clear()

    def open(
        self,
        scope: Scope,
        *,
        before_cancel: Callable[[Any], None],
        on_destroyed: Callable[[Any, Site, CreationStack], None],
    ) -> None:
        """Begin a check; existing tasks and threads are not among its leaks.

        Args:
            scope: The check.
            before_cancel: Called with an event loop before its runner cancels all tasks in it.
            on_destroyed: Called with a task of the scope destroyed while pending, its site and creation stack.
        """
        self.hold()
        scope.task_mark, scope.thread_mark = self.marks()
        self._open[scope] = _Callbacks(before_cancel, on_destroyed)

    def close(self, scope: Scope) -> None:
        """End a check. Does nothing if it has ended."""
        if scope.is_open:
            scope.is_open = False
            if self._open.pop(scope, None) is not None:
                self.release()

    def marks(self) -> tuple[int, int]:
        """Return the highest serial numbers of existing tasks and threads."""
        with self.census.locked():
            self._refresh()
            for columns in (self.census.tasks, self.census.threads):
                columns.sweep(SLICE, {}, _nothing, (0.0, 0.0, 0.0))
            return self.census.tasks.last_serial, self.census.threads.last_serial

    def leftovers(self, scope: Scope, *, tasks: bool = True, threads: bool = True) -> list[Leftover]:
        """Return what was created in ``scope``, is still live, and was not reported by a check inside it.

        Cost: O(live tasks and threads) to find unrecorded ones, about 0.1 µs each.
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
        """Return all live tasks and threads, whatever their owner."""
        with self.census.locked():
            self._refresh()
            return [*self._rows("task", 0), *self._rows("thread", 0)]

    def before_cancel(self, loop: Any) -> None:
        """Notify the open checks that a runner is about to cancel the tasks of a loop.

        A loop interrupted by an exit or interrupt has no leaks, because its tasks had no time to end.
        """
        if is_interrupted():
            return
        if self._open and not sys.modules["asyncio"].all_tasks(loop) and not self.has_timers(loop):
            return
        for callbacks in list(self._open.values()):
            callbacks.before_cancel(loop)

    def _refresh(self) -> None:
        census = self.census
        census.admit_young()
        loop = running_loop()
        if loop is not None:
            census.loops.meet(loop, census.clock.now())
        census.reconcile(at_once=True)

    def _rows(self, kind: Kind, mark: int) -> Iterator[Leftover]:
        columns = self.census.tasks if kind == "task" else self.census.threads
        table = self.recorder.task_sites if kind == "task" else self.recorder.thread_sites
        now = self.census.clock.now()
        for row in range(bisect_right(columns.serials, mark), len(columns)):
            found = columns.references[row]()
            if found is None or columns.is_finished(found):
                continue
            record = self._record_of(found)
            site = table.sites[columns.sites[row]]
            yield Leftover(
                kind,
                columns.references[row],
                columns.serials[row],
                site if record is None else record.site,
                max(0.0, now - columns.created_at[row]),
                columns.creators[row],
                columns.creator_spans[row],
                None if record is None else record.stack,
                _owner_of_unrecorded(found) if record is None else record.owner,
            )

    def _record_of(self, found: Any) -> Record | None:
        record = self._records.get(id(found))
        return record if record is not None and record.reference() is found else None

    def _note(self, found: Any, site: Site, stack: CreationStack) -> None:
        """Store a creation; called by the hook, in the context of the creating code."""
        self._records[id(found)] = Record(ref(found), site, stack, self.owner_here())
        self._starting.pop(id(found), None)
        if len(self._records) > self._prune_above:
            self._prune()

    def _start_hook(self, wrapped: Callable[..., None]) -> tuple[Callable[..., None], Callable[[], None]]:
        starting = self._starting

        def start(thread: threading.Thread) -> None:
            try:
                starting[id(thread)] = ref(thread), self.owner_here()
            except Exception:  # a failing leak test must not prevent the start of a thread
                _logger.warning("Leak tests could not note the start of %r", thread, exc_info=True)
            try:
                wrapped(thread)
            except BaseException:  # raised again after the cleanup
                starting.pop(id(thread), None)
                raise

        return start, _nothing

    def owner_here(self) -> Scope | None:
        """Return the scope that owns creations of the running code."""
        creator = self._scope_of_creator()
        owner = owner_of(current_scope(), creator)
        if creator is None and (owner is None or not owner.is_open) and running_loop() is None:
            return scope_of_thread() or owner
        return owner

    def _scope_of_creator(self) -> Scope | None:
        reference = current_creator()
        creator = reference() if reference is not None else None
        record = self._record_of(creator)
        owner = self._owner_of_starting(creator) if record is None else record.owner
        if isinstance(creator, threading.Thread) and owner and not owner.is_open and executor_of(creator) is not None:
            # A pool worker works for all code, not for the test that happened to start it.
            return None
        return owner

    def _owner_of_starting(self, thread: Any) -> Scope | None:
        reference, owner = self._starting.get(id(thread), (_gone, None))
        return owner if reference() is thread else None

    def _prune(self) -> None:
        gone = self.census.tasks.is_finished, self.census.threads.is_finished
        for address, record in list(self._records.items()):
            found = record.reference()
            if found is None or gone[record.site.kind == "thread"](found):
                self._records.pop(address, None)
        self._prune_above = _PRUNE_ABOVE + 3 * len(self._records)

    def _on_destroyed(self, _site: Site, task: Any) -> None:
        record = self._records.pop(id(task), None)
        if record is None or record.owner is None or record.reference() not in (None, task):
            return
        for scope in record.owner.and_outer():
            if scope.is_open:
                callbacks = self._open.get(scope)
                if callbacks is not None:
                    callbacks.on_destroyed(task, record.site, record.stack)
                return
            if scope.is_boundary:
                return

    def _in_child(self) -> None:
        for scope in self._open:
            scope.is_open = False
        self._open.clear()
        self._lock = threading.Lock()
        self._records.clear()
        self._starting.clear()
        self.recorder.start_empty()
        self.census.forget()


def _owner_of_unrecorded(found: Any) -> Scope | None:
    """Return the scope that owns an unrecorded task, from the context in which it runs."""
    if isinstance(found, threading.Thread):
        return None
    # Before 3.12, a task's context has no public name; the garbage collector reports it in all versions.
    for held in gc.get_referents(found):
        if type(held) is Context:
            return scope_in(held)
    return None


def _running_task() -> Any | None:
    """Return the running task, which is not a leftover, or a placeholder that equals no task."""
    loop = running_loop()
    task = sys.modules["asyncio"].current_task(loop) if loop is not None else None
    return _NO_CREATOR if task is None else task


def is_interrupted() -> bool:
    """Return whether the running code handles an exit, an interrupt or a cancellation."""
    interruption = sys.exc_info()[1]
    return interruption is not None and not isinstance(interruption, Exception)


def _has_none(_loop: Any) -> bool:
    """Return False: no check wants timers."""
    return False


@cache
def is_of_a_runner(module: str) -> bool:
    """Return whether a module belongs to a test runner, at which creation stacks end."""
    return _RUNNERS.match(module) is not None


def _gone() -> None:
    """Behave like a dead weak reference."""


def _nothing() -> None:
    """Do nothing: neither a census thread nor a pause is needed."""


def _no_warning(_text: str) -> None:
    """Do nothing: only instrumenting warns about settings."""


def _no_scan(_scan: Any, _pause: Any) -> None:
    """Do nothing: this census never scans."""


def _no_site(_task: Any) -> None:
    """Return no site: the records are used instead."""


_recording: Recording | None = None
_making = threading.Lock()


def recording() -> Recording:
    """Return the recording of this process, created at the first call."""
    global _recording
    with _making:
        if _recording is None:
            _recording = Recording()
        return _recording
