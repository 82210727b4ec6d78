"""Timers that application code schedules with ``call_later`` and ``call_at`` during a check.

The methods are hooked only while a check wants timers. asyncio's ``call_later`` calls ``call_at``, uvloop's ``call_at``
calls ``call_later``: one hook per loop class sees both. The loop's own timers and those of libraries (``sleep``,
timeouts, keep-alive) pass through the hooks without a note, because a library schedules them.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from time import monotonic
from types import BuiltinMethodType, FrameType, MethodType
from typing import Any

from ..diagnose.introspection.known_waits import is_future, is_pending, type_module
from ..record.patch import Patch
from ..record.raw_fields import attributes_of, module_name, type_dict, type_mro, type_name
from .noted import Noted, Notes, Switch, failure_of


class TimerHooks:
    """Installs and removes the hooks on loop classes.

    Args:
        notes: The notes on timers.
        on_dropped: Called with the timers that a loop drops when it is closed, and their handles.
    """

    def __init__(self, notes: Notes, on_dropped: Callable[[list[tuple[Noted, Any]]], None]) -> None:
        self._notes = notes
        self._on_dropped = on_dropped
        self._patches: dict[type, tuple[Patch, Patch]] = {}

    def install(self) -> None:
        """Install the hooks on asyncio's loop class, and on uvloop's if it is imported and not hooked yet."""
        self._install_on(asyncio.BaseEventLoop, "call_at")
        uvloop = sys.modules.get("uvloop")
        if uvloop is not None and hasattr(uvloop, "Loop"):
            self._install_on(uvloop.Loop, "call_later")

    def remove(self) -> None:
        """Remove the hooks in reverse order."""
        while self._patches:
            _, patches = self._patches.popitem()
            for patch in patches:
                patch.remove()

    def _install_on(self, loop_class: type, schedule: str) -> None:
        if loop_class not in self._patches:
            patches = Patch(loop_class, schedule, self._schedule_hook), Patch(loop_class, "close", self._close_hook)
            self._patches[loop_class] = patches
            for patch in patches:
                patch.install()

    def _schedule_hook(self, original: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[], None]]:
        notes, failure, switch = self._notes, failure_of(original.__name__), Switch()

        def schedule(self: Any, *args: Any, **kwargs: Any) -> Any:
            handle = original(self, *args, **kwargs)
            try:
                _hide_own_frame(handle)
                # The delay or time and the callback may also be passed by keyword.
                callback = args[1] if len(args) > 1 else kwargs.get("callback")
                # uvloop returns a plain handle for a delay of less than a millisecond.
                if switch.armed and callback is not None and type_name(type(handle)) == "TimerHandle":
                    frame: Any = sys._getframe(1)
                    frame = frame.f_back if _is_call_later(frame) else frame
                    notes.note(handle, frame, callback, loop=self, due_at=_due_at(self, handle))
            except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
                failure(error, switch.disarm)
            return handle

        return schedule, switch.disarm

    def _close_hook(self, original: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[], None]]:
        failure, switch = failure_of("close"), Switch()

        def close(loop: Any) -> Any:
            dropped: list[tuple[Noted, Any]] = []
            try:
                if switch.armed:
                    # Together with the handles, which nothing else holds once the loop has dropped them.
                    dropped = [(noted, noted.reference()) for noted in self.scheduled_in(loop)]
            except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
                failure(error, switch.disarm)
            # Raises if the loop still runs, and keeps its timers.
            result = original(loop)
            try:
                if dropped:
                    self._on_dropped(dropped)
            except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
                failure(error, switch.disarm)
            return result

        return close, switch.disarm

    def scheduled_in(self, loop: Any) -> list[Noted]:
        """Return the noted timers that are scheduled in a loop."""
        return [noted for noted in self._notes.live() if noted.loop is not None and noted.loop() is loop]


def _is_call_later(frame: FrameType) -> bool:
    return frame.f_code.co_name == "call_later" and module_name(frame.f_globals) == "asyncio.base_events"


def is_scheduled(handle: Any) -> bool:
    """Return whether a timer waits for its time and will have an effect.

    Its loop is open, it has not fired and was not cancelled. A timer that cancels a task, or sets the result of a
    future, has no effect once that is done: the watchdog of a test that has passed.
    """
    referents = gc.get_referents(handle)
    if any(_is_method_of_done_future(referent) for referent in referents):
        return False
    if type(handle) is asyncio.TimerHandle:
        # Fields of asyncio's own types (3.10 to 3.15). Closing a loop empties its list of timers, and leaves the flags.
        fields = attributes_of(getattr(handle, "_loop", None))
        if handle.cancelled() or fields.get("_closed", False):
            return False
        # One whose time has come is no longer scheduled, and has not run before its turn among the ready callbacks.
        return getattr(handle, "_scheduled", False) or any(each is handle for each in list(fields.get("_ready", ())))
    # uvloop exposes its C fields only to the garbage collector; a timer that has fired or was cancelled has no UVTimer.
    return any(type_name(type(referent)) == "UVTimer" for referent in referents)


def _is_method_of_done_future(callback: Any) -> bool:
    # C methods that know their class (from 3.12 on, those of tasks) have a type derived from that of the others.
    if type(callback) is not MethodType and not issubclass(type(callback), BuiltinMethodType):
        return False
    return is_future(callback.__self__) and not is_pending(callback.__self__)


def _due_at(loop: Any, handle: Any) -> float | None:
    """Return the monotonic time at which a timer is due; None for a loop with a clock of its own."""
    owner = next((base for base in type_mro(type(loop)) if "time" in type_dict(base)), None)
    if owner is None or (owner is not asyncio.BaseEventLoop and type_module(owner).partition(".")[0] != "uvloop"):
        return None
    return monotonic() + float(handle.when() - loop.time())


def _hide_own_frame(handle: Any) -> None:
    """Remove this package's frame from a debug-mode traceback, as asyncio removes its own."""
    traceback = getattr(handle, "_source_traceback", None)
    if traceback and traceback[-1].filename == __file__:
        del traceback[-1]
