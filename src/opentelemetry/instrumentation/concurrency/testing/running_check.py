"""A check while it runs: its options, its scans and its leaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Literal
from weakref import ReferenceType

from ..own_log import own_logger
from ..record.creation_stack import CreationStack
from ..record.site import Site
from .baseline import Baseline, moved_text
from .filters import Filter, checked_filters, is_left_out
from .known_rules import KNOWN_RULES, KnownRule, is_known
from .leak import Leak, destroyed_leak, leak_of, optional_leak
from .leak_error import LeakError
from .leftover import Leftover
from .noted import OPTIONAL_KINDS, OptionalKind
from .optional_kinds import optional_kinds
from .recording import recording
from .scope import Scope
from .settling import Patience, cancelled_leaks, leaks_of, may_run, never, settle, settle_in_loop

_logger = own_logger()

Action = Literal["raise", "warn", "log", "cancel"]
ACTIONS: Final = ("raise", "warn", "log", "cancel")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The options of a check; the fields are the arguments of ``check_leaks``."""

    timeout: float = 5.0
    ignore: tuple[Filter, ...] = ()
    action: Action = "raise"
    tasks: bool = True
    threads: bool = True
    daemons: bool = True
    everything: bool = False
    runner_cancelled: bool = True
    destroyed: bool = True
    stop_waiting: Callable[[], bool] = never
    baseline: Baseline | None = None
    known: tuple[KnownRule, ...] = KNOWN_RULES
    label: str = ""
    timers: bool = False
    sessions: bool = False

    def checks(self, kind: str) -> bool:
        """Return whether a kind of leak is checked."""
        return bool(getattr(self, f"{kind}s"))


class LeakCheck:
    """A check while it runs, the result of ``with check_leaks() as check``.

    Attributes:
        leaks: The leaks, once the block has ended.
        tolerated: The leaks that the baseline tolerates.
        ended_early: Whether the caller's own condition ended the wait.
    """

    def __init__(self, options: CheckOptions, *, parent: Scope | None = None, is_boundary: bool = False) -> None:
        self.options = options
        self.leaks: tuple[Leak, ...] = ()
        self.tolerated: tuple[Leak, ...] = ()
        self.ended_early = False
        self._filters = options.ignore
        self.scope = Scope(options.label, parent, is_boundary=is_boundary, everything=options.everything)
        self._lost: list[Leak] = []
        """Leaks that ended before the check did: cancelled by the runner, or destroyed while pending."""
        self._recording = recording()
        self._kinds: tuple[OptionalKind, ...] = tuple(kind for kind in OPTIONAL_KINDS if options.checks(kind))
        self._recording.open(self.scope, before_cancel=self._note_cancelled, on_destroyed=self._note_destroyed)
        if self._kinds:
            optional_kinds().open(self.scope, self._kinds, self._note_lost)

    def ignore(self, *filters: Filter) -> None:
        """Add filters from now on: ``check.ignore(ignore_current())`` after a warm-up. Raises like ``check_leaks``."""
        self._filters += checked_filters(filters)

    def finish(self, *, waits: bool = True) -> None:
        """Wait and check, in a thread that runs no loop; then ``leaks`` is set and the check is closed.

        Args:
            waits: False to check once without a pause.
        """
        patience = self._patience(waits=waits)
        loop = self.scope.runner_loop() if self.scope.runner_loop is not None else None
        left = self._scan()
        if left and waits and loop is not None and may_run(self.scope, loop):
            left = loop.run_until_complete(settle_in_loop(self._scan, patience))
        elif left and waits:
            left = settle(self._scan, patience)
        self._conclude(left, patience)

    async def finish_in_loop(self) -> None:
        """Wait and check in the running loop, without blocking it."""
        patience = self._patience(waits=True)
        left = await settle_in_loop(self._scan, patience)
        self._conclude(left, patience)
        if self.options.action == "cancel":
            await settle_in_loop(lambda: [one for one in left if _is_undone(one)], self._patience(waits=True))

    def close(self) -> None:
        """End the check, whatever its result."""
        self._recording.close(self.scope)
        if self._kinds:
            optional_kinds().close(self.scope)

    def error(self, hint: str = "") -> LeakError | None:
        """Return the error on the leaks, or None if there are none."""
        if not self.leaks:
            return None
        hints = [hint] if hint else []
        if self.ended_early:
            hints.append("stop_waiting ended the wait")
        if self.options.baseline is not None:
            for leak in self.leaks:
                entry = self.options.baseline.expired_entry_of(leak)
                moved = self.options.baseline.moved_entry_of(leak)
                if entry is not None:
                    hints.append(f"{entry.site} was tolerated until {entry.expires}: {entry.reason}")
                elif moved is not None:
                    hints.append(moved_text(moved, [leak.site.function]))
        text = "; ".join(dict.fromkeys(hints))
        return LeakError(self.leaks, label=self.options.label, hint=text, ended_early=self.ended_early)

    def _note_cancelled(self, loop: Any) -> None:
        options = self.options
        if options.timers and may_run(self.scope, loop):
            loop.run_until_complete(settle_in_loop(lambda: self._timers_due_in(loop), self._patience(waits=True)))
        for leak in cancelled_leaks(self._recording, self.scope, loop, known=options.known, timeout_s=options.timeout):
            self._lost.append(leak)
            # If the task survives its cancellation, the check must not count it again.
            self.scope.reported.add(("task", leak.serial))

    def _note_destroyed(self, task: Any, site: Site, stack: CreationStack) -> None:
        self._lost.append(destroyed_leak(task, site, stack))

    def _note_lost(self, one: Leftover, found: Any) -> None:
        """Note a timer that was dropped with its loop, or a session that is being destroyed while open."""
        if one.kind == "timer" and is_known(one, self.options.known):
            return
        self._lost.append(optional_leak(one, found, "cancelled" if one.kind == "timer" else "destroyed"))
        self.scope.reported.add((one.kind, one.serial))

    def _timers_due_in(self, loop: Any) -> list[Leftover]:
        """Return the timers of a loop that fire before the patience ends."""
        latest = monotonic() + self.options.timeout
        return [
            one
            for one in self._scan()
            if one.loop is not None and one.loop() is loop and one.due_at is not None and one.due_at < latest
        ]

    def _patience(self, *, waits: bool) -> Patience:
        return Patience(self.options.timeout if waits else 0.0, self.options.stop_waiting)

    def _scan(self) -> list[Leftover]:
        options = self.options
        found = self._created()
        found = found if options.daemons else [one for one in found if not _is_daemon(one)]
        return [one for one in found if not is_known(one, options.known) and not self._is_left_out(one)]

    def _created(self) -> list[Leftover]:
        options = self.options
        found = self._recording.leftovers(self.scope, tasks=options.tasks, threads=options.threads)
        return found + optional_kinds().leftovers(self.scope) if self._kinds else found

    def _is_left_out(self, one: Leftover) -> bool:
        if not self._filters and self.options.baseline is None:
            return False
        leak = leak_of(one)
        return leak is None or self._filtered(leak) or self._is_tolerated(leak)

    def _filtered(self, leak: Leak) -> bool:
        return is_left_out(leak, self._filters)

    def _is_tolerated(self, leak: Leak) -> bool:
        return self.options.baseline is not None and self.options.baseline.entry_of(leak) is not None

    def _conclude(self, left: list[Leftover], patience: Patience) -> None:
        try:
            self.ended_early = patience.ended_early
            lost = [leak for leak in self._lost if self._counts(leak) and not self._filtered(leak)]
            leaks = [*lost, *leaks_of(left)]
            self.leaks = tuple(leak for leak in leaks if not self._is_tolerated(leak))
            self.tolerated = (*self._tolerated_now(), *(leak for leak in lost if self._is_tolerated(leak)))
            for leak in leaks:
                self.scope.mark_reported(leak.kind, leak.serial)
            if self.options.action == "cancel":
                _cancel(left)
        finally:
            self.close()

    def _tolerated_now(self) -> list[Leak]:
        if self.options.baseline is None:
            return []
        found = leaks_of([one for one in self._created() if not is_known(one, self.options.known)], proof=False)
        return [leak for leak in found if not self._filtered(leak) and self._is_tolerated(leak)]

    def _counts(self, leak: Leak) -> bool:
        wanted = self.options.runner_cancelled if leak.ending == "cancelled" else self.options.destroyed
        return wanted and self.options.checks(leak.kind)


def _cancel(left: list[Leftover]) -> None:
    for one in left:
        found = one.reference() if one.kind in ("task", "timer") else None
        loop = None if found is None else one.loop() if one.loop is not None else found.get_loop()
        if loop is None or loop.is_closed():
            continue
        try:
            loop.call_soon_threadsafe(_cancel_one, one.reference)
        except RuntimeError:  # the loop was closed meanwhile
            continue


def _cancel_one(reference: ReferenceType[Any]) -> None:
    task = reference()
    if task is None:
        return
    try:
        task.cancel()
    except RecursionError:
        _logger.warning("%r is in a cycle of tasks that await each other; nothing can cancel it.", task.get_name())


def _is_daemon(one: Leftover) -> bool:
    found = one.reference()
    return one.kind == "thread" and found is not None and bool(found.daemon)


def _is_undone(one: Leftover) -> bool:
    found = one.reference()
    return one.kind == "task" and found is not None and not found.done()
