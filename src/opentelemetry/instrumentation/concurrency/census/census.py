"""The census: one daemon thread that finds what is alive, enters what was not recorded, and evicts what ended.

Guarantees:

* It starts with the first recorded task or thread, never before, and stops for a fork.
* It takes at most 1 % of one core: the pause between two scans is stretched to a hundred times the CPU time of one.
* It works in slices, with pauses seven times as long between them, so that a busy loop keeps four fifths of its turns.
  It hurries while a snapshot or a profile waits for it, and makes no pauses once it shall end.
* A snapshot of it is weakly consistent: each task is seen once, not all at one instant.
"""

from __future__ import annotations

import logging
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

from ..record.recorder import Recorder
from ..record.site import Site, SiteTable
from ..record.tasks import task_is_gone
from ..record.threads import OWN_THREAD, start_unseen, target_of, thread_is_gone
from ..record.young import WIDTH, YoungList
from .ageing import AgeClock
from .columns import Columns
from .look import Look, Tally
from .loops import LoopBook
from .pace import SLICE
from .registry import registered_tasks
from .strangers import Strangers, names_stranger

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

# A busy loop keeps four fifths of its turns: it runs in the pauses, and waits a little each time a pause ends.
_PAUSE_PER_WORK: Final = 7
_SHORTEST_PAUSE_S: Final = 0.0005
_LONGEST_PAUSE_S: Final = 0.01
_CPU_SHARE: Final = 0.01
_JOIN_TIMEOUT_S: Final = 0.5


def _no_pause() -> None:
    """Go on at once."""


class Census:
    """Columns of what lives, and the thread that keeps them true.

    Args:
        recorder: Where creations come from.
        scan_interval: Seconds between two scans, at least.
        on_look: Called at the end of each scan, in the scanning thread, with the census locked.
        between_looks: Called in the scanning thread while it waits; returns the seconds after which it wants to be
            called again, None for not before the next scan.
        clock: The age clock.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        scan_interval: float,
        on_look: Callable[[Look, Callable[[], None]], None],
        between_looks: Callable[[], float | None] = lambda: None,
        clock: AgeClock | None = None,
    ) -> None:
        self.recorder = recorder
        self._scan_interval = scan_interval
        self._on_look = on_look
        self._between_looks = between_looks
        self.clock = clock or AgeClock()
        self.tasks = Columns(task_is_gone)
        self.threads = Columns(thread_is_gone)
        self.loops = LoopBook()
        self.last_look: Look | None = None
        self.last_duration_s = 0.0
        # CPU time of the present look that keeps to a budget of its own.
        self.not_counted_s = 0.0
        self._looks = 0
        self._failure_said = False
        self.strange_tasks, self.strange_threads = Strangers(), Strangers()
        self._unfinished: dict[YoungList, list[Any]] = {}
        self._expected_gap = scan_interval
        self.ages_s: tuple[float, ...] = (60.0,)
        self._lock = threading.RLock()
        self._waiting: deque[int] = deque()
        self._resumed_at_s = 0.0
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped = True

    def ensure_running(self) -> None:
        """Start the scan thread unless it runs. Cheap when it does; called from hooks, so it takes no lock."""
        if self._thread is not None or self._stopped:
            return
        thread = threading.Thread(target=self._run, name="OtelConcurrencyCensus", daemon=True)
        # Debuggers leave threads with these marks alone.
        thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]
        thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
        setattr(thread, OWN_THREAD, True)
        self._thread = thread
        try:
            start_unseen(thread)
        except Exception:  # noqa: BLE001 (thread limits, interpreter shutdown, another's wrapper: none is the hook's)
            # The next new site tries again.
            self._thread = None

    def open(self) -> None:
        """Allow the scan thread to be started."""
        self._stopped = False

    def close(self) -> None:
        """Stop the scan thread for good and wait for it, half a second at most."""
        self._stopped = True
        self.suspend()

    def suspend(self) -> None:
        """Stop the scan thread and wait for it, half a second at most; the next creation starts it again."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if thread.ident is None:
            # Another thread is about to start it, and may not come to that before the fork.
            return
        self._wake.set()
        if thread is not threading.current_thread():
            thread.join(_JOIN_TIMEOUT_S)
        self._wake = threading.Event()
        self.clock.restart()

    def forget(self) -> None:
        """Start empty, in a forked child: the parent's tasks and threads do not run here."""
        self._lock = threading.RLock()
        self._waiting = deque()
        self._wake = threading.Event()
        self._thread = None
        self.tasks = Columns(task_is_gone)
        self.threads = Columns(thread_is_gone)
        self.strange_tasks, self.strange_threads = Strangers(), Strangers()
        self.strange_tasks.inherited = {id(task): ref(task) for task in registered_tasks(self.loops)}
        self.loops = LoopBook()
        self._unfinished.clear()
        self.last_look = None
        self.clock.restart()

    @contextmanager
    def locked(self, *, timeout_s: float = -1) -> Iterator[None]:
        """Hold the columns still. Never taken by a hook.

        Args:
            timeout_s: Wait no longer than this, in seconds; negative for as long as it takes.

        Raises:
            TimeoutError: If it took longer.
        """
        lock, waiting = self._lock, self._waiting
        is_inner, held = lock._is_owned(), False  # type: ignore[attr-defined]
        try:
            # A scan hurries while somebody waits for it.
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
                # Not by `held`: a signal handler of the application may raise before that is known.
                while lock._is_owned():  # type: ignore[attr-defined]
                    lock.release()

    def look(self, *, final: bool = False) -> Look:
        """Scan once, now, in the calling thread.

        Args:
            final: Do not pause between slices; the process or its loop is about to end.

        Cost: O(live tasks), about half a microsecond each; with pauses eight times as long.
        """
        with self.locked():
            started, self._resumed_at_s = time.perf_counter(), time.thread_time()
            after_gap = self.clock.look(self._expected_gap)
            pause = _no_pause if final else self._pause
            tallies = (self._look_at_tasks(pause), self._look_at_threads(pause))
            self._looks += 1
            look = Look(self._looks, self.clock.now(), after_gap, *tallies, final)
            self.last_duration_s = time.perf_counter() - started
            self.last_look = look
            self._on_look(look, pause)
            return look

    def admit_young(self, pause: Callable[[], None] = _no_pause) -> None:
        """Move what was created since the last scan and still lives into the columns. The caller holds the lock."""
        recorder, now = self.recorder, self.clock.now()
        self._admit(
            recorder.young_tasks,
            self.tasks,
            self.strange_tasks,
            pause,
            lambda task: self.loops.meet(task.get_loop(), now),
        )
        self._admit(recorder.young_threads, self.threads, self.strange_threads, pause, lambda _thread: None)

    def _admit(
        self,
        young: YoungList,
        columns: Columns,
        strangers: Strangers,
        pause: Callable[[], None],
        meet: Callable[[Any], None],
    ) -> None:
        taken, step, done = young.drain(), SLICE * WIDTH, 0
        if left := self._unfinished.pop(young, None):
            taken = left + taken
        try:
            while done < len(taken):
                part = iter(taken[done : done + step])
                for reference, site, created_at, creator, creator_span, _ in zip(*[part] * WIDTH, strict=True):
                    done += WIDTH
                    found = reference()
                    if found is None or columns.is_gone(found):
                        continue
                    if not strangers.were_entered(found):
                        columns.add(found, reference, site, self.clock.convert(created_at), creator, creator_span)
                        meet(found)
                # A pause keeps nothing alive.
                found = creator = None
                if done < len(taken):
                    pause()
        finally:
            if done < len(taken):
                # A signal handler of the application raised into it: the next time goes on where this one ended.
                self._unfinished[young] = taken[done:]
        young.drained()

    def task_sites_on(self, loop: Any) -> set[Site]:
        """Return the sites of the tasks that live on an event loop. The caller holds the lock."""
        sites, columns = self.recorder.task_sites.sites, self.tasks
        tasks = ((reference(), number) for reference, number in zip(columns.references, columns.sites, strict=True))
        return {sites[number] for task, number in tasks if task is not None and task.get_loop() is loop}

    def reconcile(self, *, at_once: bool = False, pause: Callable[[], None] = _no_pause) -> None:
        """Enter living tasks and threads that no hook saw, under their own function. The caller holds the lock.

        Args:
            at_once: Enter a stranger at first sight. Else it has to be met twice, because a creation may be under
                way: the task exists, and its hook has not returned.
            pause: Lets the application run.
        """
        self.loops.discover(self.clock.now())
        self._reconcile_tasks(at_once, pause)
        self._reconcile_threads(at_once, pause)

    def _reconcile_tasks(self, at_once: bool, pause: Callable[[], None]) -> None:
        strangers = self.strange_tasks
        met = strangers.among(registered_tasks(self.loops, strangers.inherited), self.tasks, pause)
        if met:
            self.admit_young(pause)
        for task in strangers.to_enter(met, self.tasks, at_once=at_once):
            self._enter(task, self.tasks, self.recorder.task_sites, names_stranger(task))
            self.loops.meet(task.get_loop(), self.clock.now())

    def _reconcile_threads(self, at_once: bool, pause: Callable[[], None]) -> None:
        strangers = self.strange_threads
        met = strangers.among(threading.enumerate(), self.threads, pause)
        if met:
            self.admit_young(pause)
        for thread in strangers.to_enter(met, self.threads, at_once=at_once):
            self._enter(thread, self.threads, self.recorder.thread_sites, target_of(thread))

    def _enter(self, found: Any, columns: Columns, table: SiteTable, target: Any) -> None:
        is_main = found is threading.main_thread()
        site = table.named("threading.MainThread") if is_main else table.of_callable(target)
        site.until_stack -= 1
        columns.add(found, ref(found), site, self.clock.now(), None, None)

    def _look_at_tasks(self, pause: Callable[[], None]) -> tuple[Tally, ...]:
        self.admit_young(pause)
        self.loops.discover(self.clock.now())
        if self.strange_tasks.are_sought(self.tasks):
            self._reconcile_tasks(False, pause)
        self.loops.look(self.clock.now())
        tallies = self._sweep(self.tasks, self.recorder.task_sites, pause)
        self.strange_tasks.judge(self._looks, self.tasks, self.recorder.young_tasks)
        return tallies

    def _look_at_threads(self, pause: Callable[[], None]) -> tuple[Tally, ...]:
        self._reconcile_threads(False, pause)
        tallies = self._sweep(self.threads, self.recorder.thread_sites, pause)
        daemons: dict[int, int] = {}
        for number, reference in zip(self.threads.sites, self.threads.references, strict=True):
            thread = reference()
            if thread is not None and threading.Thread.daemon.fget(thread):  # type: ignore[attr-defined]
                daemons[number] = daemons.get(number, 0) + 1
        return tuple(replace(tally, daemons=daemons.get(tally.site.number, 0)) for tally in tallies)

    def _sweep(self, columns: Columns, table: SiteTable, pause: Callable[[], None]) -> tuple[Tally, ...]:
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
        worked = time.thread_time() - self._resumed_at_s
        long = _SHORTEST_PAUSE_S if self._waiting else _PAUSE_PER_WORK * worked
        # Whoever ends the census waits for the present scan: from then on it makes no pauses.
        self._wake.wait(min(max(long, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S))
        self._resumed_at_s = time.thread_time()

    def _run(self) -> None:
        # What the application traces or profiles in all threads is not this one; its function may not be made for it.
        sys.settrace(None)
        sys.setprofile(None)
        me, wake = threading.current_thread(), self._wake
        while not self._wait(wake):
            if self._thread is not me:
                return
            before, self.not_counted_s = time.thread_time(), 0.0
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 (said below; the next scan may succeed)
                self._say_once(error, "A scan failed; there will be no log line for later ones.")
            spent = time.thread_time() - before - self.not_counted_s
            self._expected_gap = max(self._scan_interval, spent / _CPU_SHARE)

    def _wait(self, wake: threading.Event) -> bool:
        """Wait until the next scan is due; return True where the thread shall end."""
        due_at = time.monotonic() + self._expected_gap
        while (left := due_at - time.monotonic()) > 0:
            try:
                soon = self._between_looks()
            except Exception as error:  # noqa: BLE001 (said below; it must not end the census)
                soon = None
                self._say_once(error, "Work between two scans failed; there will be no log line for later failures.")
            if wake.wait(left if soon is None else min(left, soon)):
                return True
        return wake.is_set()

    def _say_once(self, error: Exception, message: str) -> None:
        # A census that dies in silence would look like health; `scan.age` goes on telling what the log says only once.
        if not self._failure_said:
            _logger.error(message, exc_info=error)
        self._failure_said = True
