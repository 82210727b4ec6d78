"""Pending calls of an event loop: timers, ready callbacks and file descriptors."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterable
from types import FunctionType
from typing import Any, Final, NamedTuple

from ...record.internals.of_threading import active_threads
from ...record.raw_fields import type_mro, type_name
from .known_waits import callbacks_of, type_module

_TIMERS: Final = ("call_later", "call_at", "call_soon")
_RUN_CALLBACKS: Final = frozenset({"_run_until_complete_cb", "done_cb"})


class Handles(NamedTuple):
    """The live handles of a loop, or containers of them: ready callbacks, timers, and descriptor callbacks."""

    ready: list[Any]
    timers: list[Any]
    descriptors: list[Any]


def handles_of(loop: Any) -> Handles | None:
    """Return the live handles of a loop, or None if it does not expose them, in which case nothing can be proven."""
    base: Any = sys.modules["asyncio"].BaseEventLoop
    kind = type(loop)
    if any(type_name(each) == "Loop" and type_module(each).partition(".")[0] == "uvloop" for each in type_mro(kind)):
        # All referents, because uvloop exposes its C fields only to the garbage collector.
        return Handles([], [referent for referent in gc.get_referents(loop) if referent is not loop], [])
    if not issubclass(kind, base) or any(getattr(kind, name) is not getattr(base, name) for name in _TIMERS):
        return None
    fields = object.__getattribute__(loop, "__dict__")
    scheduled, ready = fields.get("_scheduled"), fields.get("_ready")
    if scheduled is None or ready is None or not ("_selector" in fields or "_proactor" in fields):
        return None
    timers = [handle for handle in list(scheduled) if not getattr(handle, "_cancelled", False)]
    timers += (fields.get("_signal_handlers") or {}).values()
    return Handles(list(ready), timers, list(_of_descriptors(fields)))


def timers_of_threads() -> Handles:
    """Return the pending calls of the ``threading.Timer`` objects of this process."""
    found: list[Any] = []
    for thread in list(active_threads().values()):
        if issubclass(type(thread), threading.Timer):
            fields = object.__getattribute__(thread, "__dict__")
            found += [fields.get(name) for name in ("function", "args", "kwargs")]
    return Handles([], found, [])


def runs_until_done(task: Any) -> bool:
    """Return whether a loop runs until this task is done: Ctrl-C and SIGTERM can then wake the task."""
    for callback in callbacks_of(task):
        kind = type(callback)
        is_function = kind is FunctionType or type_name(kind) == "cython_function_or_method"
        if is_function and getattr(callback, "__name__", "") in _RUN_CALLBACKS:
            return True
    return False


def _of_descriptors(fields: dict[str, Any]) -> Iterable[Any]:
    selector = fields.get("_selector")
    if selector is not None:
        for key in list((selector.get_map() or {}).values()):
            yield key.data
    proactor = fields.get("_proactor")
    if proactor is not None:  # Windows
        yield getattr(proactor, "_cache", None)
