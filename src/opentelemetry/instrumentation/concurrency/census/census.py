"""The census: a daemon thread that scans live tasks and threads.

- It starts with the first recorded task or thread, never earlier, and stops for a fork. An overdue scan starts at once.
- It uses at most 1 % of one core, and 0.05 % while the process is idle (`schedule`).
- It works in slices with pauses seven times as long, so that a busy loop keeps four fifths of its iterations. It
  shortens the pauses while a snapshot or profile waits for it, and skips them once it has to stop.
- Its results are weakly consistent: each task is seen once, but not all at the same instant.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final
from weakref import ref

from ..record.internals.of_threading import owns_lock
from ..record.own_thread import enduring, join_before_fork, own_thread
from ..record.recorder import Recorder
from ..record.repeated_failure import RepeatedFailure
from ..record.site_table import SiteTable
from ..record.tasks import task_is_finished
from ..record.threads import machinery_site, start_unseen, target_of, thread_is_finished
from ..record.young import WIDTH, YoungList
from .ageing import AgeClock
from .before_attach import BeforeAttach
from .columns import Columns
from .loops import LoopRegistry
from .pace import SLICE, no_pause
from .registry import registered_tasks
from .scan import Scan, Tally
from .schedule import ScanSchedule, ScanYielded
from .unrecorded import Unrecorded, name_of_unrecorded

# A busy loop keeps four fifths of its iterations: it runs during the pauses and waits briefly when each one ends.
_PAUSE_PER_WORK: Final = 7
_SHORTEST_PAUSE_S: Final = 0.0005
_LONGEST_PAUSE_S: Final = 0.01
_FIRST_PAUSE_S: Final = 0.005
_LONGEST_WORK_S: Final = 0.003
"""Seconds of work between two pauses in an idle process; a loop that wakes up meanwhile waits this long."""
_JOIN_TIMEOUT_S: Final = 0.5


class Census:
    """Columns of live tasks and threads, and the thread that updates them.

    Args:
        recorder: The source of creations.
        scan_interval: Minimum number of seconds between two scans.
        on_scan: Called at the end of each scan, in the scanning thread, with the census locked.
        between_scans: Called in the scanning thread while it waits; returns the seconds until its next call, or None to
            be called again after the next scan.
        clock: The age clock.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        scan_interval: float,
        on_scan: Callable[[Scan, Callable[[], None]], None],
        between_scans: Callable[[], float | None] = lambda: None,
        clock: AgeClock | None = None,
    ) -> None:
        self.recorder = recorder
        self._on_scan = on_scan
        self._between_scans = between_scans
        self.clock = clock or AgeClock()
        self.tasks = Columns(task_is_finished, self.recorder.collections.is_under_way)
        self.threads = Columns(thread_is_finished)
        self.loops, self.before_attach = LoopRegistry(), BeforeAttach()
        self.last_scan: Scan | None = None
        self.last_duration_s = 0.0
        # CPU time of the current scan that is charged to a separate budget.
        self.not_counted_s = 0.0
        self._scans = 0
        self._scan_failure = RepeatedFailure("A scan failed; the next one starts when it is due.")
        self._work_failure = RepeatedFailure("Work between two scans failed and will be retried.")
        self._process_id = os.getpid()
        self.unrecorded_tasks, self.unrecorded_threads = Unrecorded(), Unrecorded()
        self._unfinished: dict[YoungList, list[Any]] = {}
        self.schedule = ScanSchedule(scan_interval, has_creations=recorder.has_young)
        self.ages_s: tuple[float, ...] = (60.0,)
        self._lock = threading.RLock()
        self._waiting: deque[int] = deque()
        self._resumed_at_s = 0.0
        self._is_idle = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped = True
        self._ran_before_fork = False
        # Identifier of the thread whose scan must stop at its next pause.
        self._yielding: int | None = None

    def ensure_running(self) -> None:
        """Start the scan thread unless it is running. Called from hooks, so it is cheap and takes no lock."""
        if self._thread is not None or self._stopped:
            return
        if os.getpid() != self._process_id:
            # Another library's at-fork hook starts a thread in a forked child before the census was emptied.
            return
        try:
            self._thread = own_thread(enduring(self._run), "OtelConcurrencyCensus", self._wake)
            start_unseen(self._thread)
        except Exception:  # noqa: BLE001 (thread limit, interpreter shutdown or a foreign wrapper fails)
            # The next new site tries again.
            self._thread = None

    @property
    def is_closed(self) -> bool:
        """Whether the scan thread must not be started."""
        return self._stopped

    def open(self) -> None:
        """Allow the scan thread to start."""
        self._stopped = False

    def close(self) -> None:
        """Stop the scan thread permanently and wait for it, at most half a second."""
        self._stopped = True
        self.suspend()

    def suspend(self) -> None:
        """Stop the scan thread and wait for it, at most half a second; the next creation restarts it.

        A running scan stops at its next pause and remains due. If forks have prevented it for too long, it is completed
        now, without pauses.
        """
        thread, self._thread = self._thread, None
        self._ran_before_fork = self._ran_before_fork or thread is not None
        # A thread without identifier is about to be started by another thread, possibly only after the fork.
        if thread is None or thread.ident is None:
            return
        if not self.schedule.is_starving():
            self._yielding = thread.ident
        self._wake.set()
        join_before_fork(thread, _JOIN_TIMEOUT_S)
        self._yielding = None
        self._wake = threading.Event()
        self.clock.restart()

    def resume(self) -> None:
        """Restart the scan thread if it was running before `suspend`."""
        if self._ran_before_fork:
            self._ran_before_fork = False
            self.ensure_running()

    def forget(self) -> None:
        """Start empty in a forked child, where the parent's tasks and threads do not run."""
        self._lock = threading.RLock()
        self._waiting = deque()
        self._wake = threading.Event()
        self._thread = None
        self._process_id = os.getpid()
        self._ran_before_fork, self._yielding = False, None
        self.schedule.forget()
        self.tasks = Columns(task_is_finished, self.recorder.collections.is_under_way)
        self.threads = Columns(thread_is_finished)
        self.unrecorded_tasks, self.unrecorded_threads = Unrecorded(), Unrecorded()
        self.unrecorded_tasks.inherited = {id(task): ref(task) for task in registered_tasks(self.loops)}
        self.loops, self.before_attach = LoopRegistry(), BeforeAttach()
        self._unfinished.clear()
        self.last_scan = None
        self.clock.restart()

    @contextmanager
    def locked(self, *, timeout_s: float = -1) -> Iterator[None]:
        """Hold the lock that protects the columns. Hooks never take it.

        Args:
            timeout_s: Maximum wait in seconds; negative for no limit.

        Raises:
            TimeoutError: The lock was not acquired in time.
        """
        lock, waiting = self._lock, self._waiting
        is_inner, held = owns_lock(lock), False
        try:
            # A scan shortens its pauses while another thread waits for the lock.
            waiting.append(1)
            try:
                held = lock.acquire(timeout=timeout_s)
            finally:
                waiting.pop()
            if not held:
                raise TimeoutError
            yield
        finally:
            if is_inner:
                if held:
                    lock.release()
            else:
                # Not decided by `held`: a signal handler of the application may raise before it is assigned.
                while owns_lock(lock):
                    lock.release()

    def scan(self, *, final: bool = False) -> Scan:
        """Scan now, in the calling thread.

        Args:
            final: Whether the process or its loop is about to end; the scan then makes no pauses.

        Cost: O(live tasks), about half a microsecond each; with pauses, eight times as long.
        """
        with self.locked():
            started, self._resumed_at_s = time.perf_counter(), time.thread_time()
            # The schedule knows the CPU time of the others from the scan thread's view alone.
            self._is_idle = threading.current_thread() is self._thread and self.schedule.process_is_idle()
            after_gap = self.clock.scan(self.schedule.expected_gap_s + self.schedule.judging_s)
            pause = no_pause if final else self._pause
            tallies = (self._scan_tasks(pause), self._scan_threads(pause))
            self._scans += 1
            scan = Scan(self._scans, self.clock.now(), after_gap, *tallies, final)
            self.last_duration_s = time.perf_counter() - started
            self.last_scan = scan
            with self.schedule.judging():
                self._on_scan(scan, pause)
            self.recorder.young_tasks.end_scan()
            self.recorder.young_threads.end_scan()
            self.before_attach.end_scan()
            return scan

    def admit_young(self, pause: Callable[[], None] = no_pause) -> None:
        """Move live creations since the last scan into the columns. The caller holds the lock."""
        recorder, now = self.recorder, self.clock.now()
        self._admit(
            recorder.young_tasks,
            self.tasks,
            self.unrecorded_tasks,
            pause,
            lambda task: self.loops.meet(task.get_loop(), now),
        )
        self._admit(recorder.young_threads, self.threads, self.unrecorded_threads, pause, lambda _thread: None)

    def _admit(
        self,
        young: YoungList,
        columns: Columns,
        unrecorded: Unrecorded,
        pause: Callable[[], None],
        meet: Callable[[Any], None],
    ) -> None:
        taken, step, done = young.drain(), SLICE * WIDTH, 0
        if left := self._unfinished.pop(young, None):
            taken = left + taken
        try:
            while done < len(taken):
                part = taken[done : done + step]
                for reference, site, created_at, creator, creator_span, _ in zip(*[iter(part)] * WIDTH, strict=True):
                    done += WIDTH
                    found = reference()
                    if found is None or columns.is_finished(found):
                        continue
                    if not unrecorded.were_entered(found):
                        columns.add(found, reference, site, self.clock.convert(created_at), creator, creator_span)
                        meet(found)
                # No object is kept alive during a pause.
                found = creator = None
                if done < len(taken):
                    pause()
        finally:
            if done < len(taken):
                # A signal handler of the application raised here; the next call continues with the rest.
                self._unfinished[young] = taken[done:]
        young.drained()

    def reconcile(self, *, at_once: bool = False, pause: Callable[[], None] = no_pause) -> None:
        """Enter live tasks and threads that bypassed the hooks, under their own function. The caller holds the lock.

        Args:
            at_once: Enter an unrecorded task or thread when it is first seen. Otherwise it must be seen twice, because
                its creation may be in progress: the task exists, but its hook has not returned.
            pause: Lets the application run.
        """
        self.loops.discover(self.clock.now())
        self._reconcile_tasks(at_once, pause)
        self._reconcile_threads(at_once, pause)

    def _reconcile_tasks(self, at_once: bool, pause: Callable[[], None]) -> None:
        if self.recorder.collections.is_under_way():
            # Since 3.14, asyncio lists tasks that the collector is about to finalize, whose rows were removed already.
            return
        unrecorded = self.unrecorded_tasks
        met = unrecorded.among(registered_tasks(self.loops, unrecorded.inherited), self.tasks, pause)
        if met:
            self.admit_young(pause)
        for task in unrecorded.to_enter(met, self.tasks, at_once=at_once):
            self._enter(task, self.tasks, self.recorder.task_sites, name_of_unrecorded(task))
            self.loops.meet(task.get_loop(), self.clock.now())

    def _reconcile_threads(self, at_once: bool, pause: Callable[[], None]) -> None:
        unrecorded = self.unrecorded_threads
        met = unrecorded.among(threading.enumerate(), self.threads, pause)
        if met:
            self.admit_young(pause)
        for thread in unrecorded.to_enter(met, self.threads, at_once=at_once):
            self._enter(thread, self.threads, self.recorder.thread_sites, target_of(thread))

    def _enter(self, found: Any, columns: Columns, table: SiteTable, target: Any) -> None:
        name = machinery_site(found) if columns is self.threads else ""
        is_before = self.before_attach.is_open and not name
        site = table.named(name) if name else table.of_callable(target, before_attach=is_before)
        site.samples_until_stack -= 1
        columns.add(found, ref(found), site, self.clock.now(), None, None)
        if is_before:
            self.before_attach.note(columns, site)

    def _scan_tasks(self, pause: Callable[[], None]) -> tuple[Tally, ...]:
        self.admit_young(pause)
        self.loops.discover(self.clock.now())
        if self.unrecorded_tasks.are_sought(self.tasks):
            self._reconcile_tasks(False, pause)
        self.loops.scan(self.clock.now())
        tallies = self._sweep(self.tasks, self.recorder.task_sites, pause)
        self.unrecorded_tasks.judge(self._scans, self.tasks, self.recorder.young_tasks)
        return tallies

    def _scan_threads(self, pause: Callable[[], None]) -> tuple[Tally, ...]:
        self._reconcile_threads(False, pause)
        tallies = self._sweep(self.threads, self.recorder.thread_sites, pause)
        daemons: dict[int, int] = {}
        for number, reference in zip(self.threads.sites, self.threads.references, strict=True):
            thread = reference()
            if thread is not None and threading.Thread.daemon.fget(thread):  # type: ignore[attr-defined]  # a property
                daemons[number] = daemons.get(number, 0) + 1
        return tuple(replace(tally, daemons=daemons.get(tally.site.number, 0)) for tally in tallies)

    def _sweep(self, columns: Columns, table: SiteTable, pause: Callable[[], None]) -> tuple[Tally, ...]:
        self.before_attach.settle(columns, table)
        counted: dict[int, list[float]] = {}
        now = self.clock.now()
        births = sorted(now - age for age in self.ages_s)
        place = [births.index(now - age) for age in self.ages_s]
        columns.sweep(SLICE, counted, pause, births)
        tallies = []
        for number, (live, oldest, *between) in counted.items():
            before = [int(count) for count in accumulate(between)]
            tallies.append(Tally(table.sites[number], int(live), oldest, tuple(before[at] for at in place)))
        return tuple(tallies)

    def _pause(self) -> None:
        if self._yielding == threading.get_ident():
            raise ScanYielded
        worked = time.thread_time() - self._resumed_at_s
        if self._is_idle and worked < _LONGEST_WORK_S and not self._waiting:
            return
        long = _SHORTEST_PAUSE_S if self._waiting else _PAUSE_PER_WORK * worked
        # A thread that stops the census waits for the current scan, which from then on makes no pauses.
        self._wake.wait(min(max(long, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S))
        self._resumed_at_s = time.thread_time()

    def _run(self, wake: threading.Event) -> None:
        # Trace and profile functions that the application sets for all threads may not expect this thread.
        sys.settrace(None)
        sys.setprofile(None)
        me, schedule = threading.current_thread(), self.schedule
        schedule.begin()
        # If a scan is overdue, the thread that started this one would wait long for the interpreter, as after a fork.
        wake.wait(_FIRST_PAUSE_S)
        ends = False
        while not ends:
            ends = self._wait(wake)
            if ends and (self._yielding == me.ident or not schedule.is_starving()):
                return
            if not ends and self._thread is not me:
                return
            before, self.not_counted_s = time.thread_time(), 0.0
            try:
                self.scan()
            except ScanYielded:
                return
            except Exception as error:  # noqa: BLE001 (logged; the next scan may succeed)
                self._scan_failure.note(error)
            spent_s, live = time.thread_time() - before - self.not_counted_s, len(self.tasks) + len(self.threads)
            schedule.scanned(spent_s, self.not_counted_s, live=live)

    def _wait(self, wake: threading.Event) -> bool:
        """Wait until the next scan is due; return True if the thread must end."""
        while not wake.is_set() and (left := self.schedule.left_s()) > 0:
            try:
                soon = self._between_scans()
            except Exception as error:  # noqa: BLE001 (logged; an error here must not end the census)
                soon = None
                self._work_failure.note(error)
            if wake.wait(left if soon is None else min(left, soon)):
                return True
        return wake.is_set()

    @property
    def failures(self) -> int:
        """Number of failed scans and of failures between scans."""
        return self._scan_failure.count + self._work_failure.count
