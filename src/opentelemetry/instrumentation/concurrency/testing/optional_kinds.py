"""Timers and sessions as optional kinds of leaks, beside tasks and threads.

Their hooks are installed with the first check that wants the kind and removed with the last. The notes and the open
checks belong to a singleton returned by ``optional_kinds()``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import wrapt

from ..record.application import ApplicationCode
from ..record.site_table import SiteTable
from ..settings import load_settings
from .leftover import Leftover
from .noted import Noted, Notes, OptionalKind
from .recording import is_interrupted, is_of_a_runner, recording
from .scope import Scope
from .sessions import LIBRARIES, SessionHooks, is_open
from .timers import TimerHooks, is_scheduled

_WHOLE_STACK: Final = 10_000


class _OpenCheck(NamedTuple):
    """An open check: its kinds, the latest serial number of each at its beginning, and what is called with losses."""

    marks: dict[OptionalKind, int]
    on_lost: Callable[[Leftover, Any], None]


class OptionalKinds:
    """The notes, the hooks and the open checks of timers and sessions."""

    def __init__(self) -> None:
        settings = load_settings({}, os.environ, warn=_no_warning)
        application = ApplicationCode(settings.application, settings.spawners)

        def notes(kind: OptionalKind, is_live: Callable[[Any], bool]) -> Notes:
            # Like a thread, a timer runs a callable. The kind of the table appears nowhere.
            table = SiteTable(
                "thread", stack_depth=_WHOLE_STACK, stack_sampling=1, on_new_site=_nothing, application=application
            )
            table.ends_stack = is_of_a_runner
            return Notes(kind, table, application, recording().owner_here, is_live)

        self._notes: dict[OptionalKind, Notes] = {
            "timer": notes("timer", is_scheduled),
            "session": notes("session", is_open),
        }
        timer_hooks = TimerHooks(self._notes["timer"], self._on_dropped)
        recording().has_timers = lambda loop: bool(timer_hooks.scheduled_in(loop))
        self._hooks: dict[OptionalKind, TimerHooks | SessionHooks] = {
            "timer": timer_hooks,
            "session": SessionHooks(self._notes["session"], self._on_destroyed),
        }
        self._open: dict[Scope, _OpenCheck] = {}
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_child)

    def open(self, scope: Scope, kinds: Sequence[OptionalKind], on_lost: Callable[[Leftover, Any], None]) -> None:
        """Begin a check.

        Args:
            scope: The check.
            kinds: The kinds that it wants.
            on_lost: Called with a leftover and its object when a loop drops a timer, or an open session is destroyed.
        """
        with self._lock:
            self._open[scope] = _OpenCheck({kind: self._notes[kind].last_serial for kind in kinds}, on_lost)
            for kind in kinds:
                self._hooks[kind].install()

    def close(self, scope: Scope) -> None:
        """End a check; the last one that wants a kind removes its hooks. Does nothing if it has ended."""
        with self._lock:
            closed = self._open.pop(scope, None)
            for kind in closed.marks if closed is not None else ():
                if not any(kind in check.marks for check in self._open.values()):
                    self._hooks[kind].remove()
                    self._notes[kind].forget_all()

    def install_on_import(self) -> None:
        """Install the hooks on a library that has just been imported, if a check wants them."""
        for kind in {kind for check in list(self._open.values()) for kind in check.marks}:
            self._hooks[kind].install()

    def marks(self) -> dict[str, int]:
        """Return the latest serial number per kind."""
        return {kind: notes.last_serial for kind, notes in self._notes.items()}

    def leftovers(self, scope: Scope) -> list[Leftover]:
        """Return what was created in an open check, is still live, and was not reported by a check inside it."""
        check = self._open.get(scope)
        return [
            self._notes[kind].leftover(noted)
            for kind, mark in ((check.marks if check is not None else {}).items())
            for noted in self._notes[kind].live()
            if noted.serial > mark and scope.takes(noted.owner) and (kind, noted.serial) not in scope.reported
        ]

    def _on_dropped(self, dropped: list[tuple[Noted, Any]]) -> None:
        if not is_interrupted():
            for noted, handle in dropped:
                self._pass_on("timer", noted, handle)

    def _on_destroyed(self, session: Any, noted: Noted) -> None:
        self._pass_on("session", noted, session)

    def _pass_on(self, kind: OptionalKind, noted: Noted, found: Any) -> None:
        """Pass a loss to the innermost check that wants its kind; without an owner, to all that include everything."""
        judges: list[Scope] = []
        for scope in noted.owner.and_outer() if noted.owner is not None else ():
            if (check := self._open.get(scope)) is not None and kind in check.marks:
                judges = [scope]
            if judges or scope.is_boundary:
                break
        for scope in judges or [scope for scope in list(self._open) if scope.takes(noted.owner)]:
            check = self._open.get(scope)
            mark = None if check is None else check.marks.get(kind)
            if check is None or mark is None or noted.serial <= mark or (kind, noted.serial) in scope.reported:
                continue
            check.on_lost(self._notes[kind].leftover(noted), found)

    def _in_child(self) -> None:
        self._open.clear()
        self._lock = threading.Lock()
        for kind, hooks in self._hooks.items():
            hooks.remove()
            self._notes[kind].forget_all()


_optional_kinds: OptionalKinds | None = None
_making: Final = threading.Lock()


def optional_kinds() -> OptionalKinds:
    """Return the notes and hooks of this process, created at the first call."""
    global _optional_kinds
    with _making:
        if _optional_kinds is None:
            _optional_kinds = OptionalKinds()
            for library in ("uvloop", *LIBRARIES):
                wrapt.register_post_import_hook(_on_import, library)
        return _optional_kinds


def marks() -> dict[str, int]:
    """Return the latest serial number per kind; empty if no check has wanted one yet."""
    return {} if _optional_kinds is None else _optional_kinds.marks()


def _on_import(_module: Any) -> None:
    if _optional_kinds is not None:
        _optional_kinds.install_on_import()


def _nothing() -> None:
    """Do nothing: no census follows new sites."""


def _no_warning(_text: str) -> None:
    """Do nothing: an instrumented process warns about invalid values itself."""
