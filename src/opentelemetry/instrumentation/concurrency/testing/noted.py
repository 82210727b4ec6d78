"""Notes on timers and sessions, taken at their creation while a check wants them.

Only what application code creates by a call of its own is noted: timers and sessions that a library creates for itself
are the library's to end.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from time import monotonic
from types import FrameType
from typing import Any, Final, Literal, NamedTuple
from weakref import ReferenceType, ref

from ..record.application import ApplicationCode
from ..record.creation_stack import CreationStack, read_stack
from ..record.creator import current_creator
from ..record.failure import HookFailure
from ..record.raw_fields import module_name
from ..record.site import Site
from ..record.site_table import SiteTable
from .leftover import Leftover
from .scope import Scope

OptionalKind = Literal["timer", "session"]
OPTIONAL_KINDS: Final[tuple[OptionalKind, ...]] = ("timer", "session")

_WHOLE_STACK: Final = 10_000
_PRUNE_ABOVE: Final = 256
_WRAPPERS: Final = ("wrapt", "opentelemetry.instrumentation", "sentry_sdk", "ddtrace")
_WRAPPER_PREFIXES: Final = tuple(f"{name}." for name in _WRAPPERS)


class Noted(NamedTuple):
    """A timer or session, with its creation and its owner.

    Attributes:
        loop: The event loop of a timer; None for sessions.
        due_at: Monotonic time at which a timer is due; None if unknown.
    """

    serial: int
    reference: ReferenceType[Any]
    site: Site
    stack: CreationStack
    owner: Scope | None
    creator: ReferenceType[Any] | None
    loop: ReferenceType[Any] | None
    due_at: float | None


class Switch:
    """Whether a hook is armed; it is disarmed for ever when the hook fails or is removed."""

    __slots__ = ("armed",)

    def __init__(self) -> None:
        self.armed = True

    def disarm(self) -> None:
        """Disarm the hook."""
        self.armed = False


def failure_of(hook: str) -> HookFailure:
    """Return what logs and disarms a failing hook."""
    return HookFailure(hook, _count_nothing)


class Notes:
    """The notes on one kind.

    Args:
        kind: The kind.
        table: The sites.
        application: Distinguishes application code from library code.
        owner_here: Returns the scope that owns creations of the running code.
        is_live: Returns whether a timer is still scheduled, or a session is still open.
    """

    def __init__(
        self,
        kind: OptionalKind,
        table: SiteTable,
        application: ApplicationCode,
        owner_here: Callable[[], Scope | None],
        is_live: Callable[[Any], bool],
    ) -> None:
        self.kind: OptionalKind = kind
        self.last_serial = 0
        self._table = table
        self._application = application
        self._owner_here = owner_here
        self._is_live = is_live
        self._serials = count(1)
        self._by_address: dict[int, Noted] = {}
        self._prune_above = _PRUNE_ABOVE

    def note(
        self, found: Any, frame: FrameType | None, runs: object, *, loop: Any = None, due_at: float | None = None
    ) -> None:
        """Note a creation by ``frame``, unless that frame belongs to a library.

        Args:
            found: The timer or session.
            frame: The frame that created it.
            runs: The callback of a timer; None for a session.
            loop: The event loop of a timer.
            due_at: Monotonic time at which a timer is due.
        """
        # Another object may have died at this address without a note of it.
        self.forget(found)
        while frame is not None and _is_wrapper(module_name(frame.f_globals)):
            frame = frame.f_back
        if frame is None or self._application.is_library(frame.f_code, module_name(frame.f_globals)):
            return
        if runs is None:
            site = Site(self._table.kind, 0, frame.f_code, frame.f_lasti, module_name(frame.f_globals))
        else:
            site = self._table.find(frame, runs)
        reference = ref(found)
        stack = CreationStack(monotonic(), read_stack(frame, _WHOLE_STACK, self._table.ends_stack), reference)
        of_loop = None if loop is None else ref(loop)
        self.last_serial = serial = next(self._serials)
        self._by_address[id(found)] = Noted(
            serial, reference, site, stack, self._owner_here(), current_creator(), of_loop, due_at
        )
        if len(self._by_address) > self._prune_above:
            self._prune()

    def forget(self, found: Any) -> Noted | None:
        """Remove and return the note on an object, or None if there is none."""
        return self._by_address.pop(id(found), None)

    def forget_all(self) -> None:
        """Remove all notes."""
        self._by_address.clear()

    def live(self) -> list[Noted]:
        """Return the notes on timers that are scheduled and sessions that are open, in order of creation."""
        return [noted for noted in list(self._by_address.values()) if self._remains(noted)]

    def leftover(self, noted: Noted) -> Leftover:
        """Return a note as a leftover."""
        age = monotonic() - noted.stack.created_at
        return Leftover(
            self.kind,
            noted.reference,
            noted.serial,
            noted.site,
            age,
            noted.creator,
            None,
            noted.stack,
            noted.owner,
            noted.loop,
            noted.due_at,
        )

    def _remains(self, noted: Noted) -> bool:
        found = noted.reference()
        return found is not None and self._is_live(found)

    def _prune(self) -> None:
        for address, noted in list(self._by_address.items()):
            if not self._remains(noted) and self._by_address.get(address) is noted:
                self._by_address.pop(address, None)
        self._prune_above = _PRUNE_ABOVE + 3 * len(self._by_address)


def _is_wrapper(module: str) -> bool:
    """Return whether a module wraps functions for instrumentation and creates nothing on its own account."""
    return module in _WRAPPERS or module.startswith(_WRAPPER_PREFIXES)


def _count_nothing(_hook: str) -> None:
    """Do nothing: a failing hook is logged."""
