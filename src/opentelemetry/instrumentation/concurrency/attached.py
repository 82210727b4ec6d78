"""The code that ``attach`` and ``detach`` run in a process that was started without the instrumentation."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

from .agent.peer import Peer
from .census.registry import registered_tasks
from .diagnose.introspection.fields import loop_of
from .record.raw_fields import attributes_of

_RUNNERS: Final = frozenset({"asyncio.base_events", "asyncio.runners"})
_RUN: Final = frozenset({"run", "run_forever"})
"""Modules and functions whose frames hold the loop that a thread runs. Up to 3.12, reading the variables of a frame
keeps their values until it ends; these keep theirs that long anyway."""

_attached: tuple[Any, Sequence[str]] | None = None
"""The installation that ``attach`` made, and the entries that it added to ``sys.path``; None without one."""


def attach_here(process_id: int, uid: int, added_paths: Sequence[str] = ()) -> str:
    """Instrument this process and open its agent; existing loops and tasks are found through the garbage collector.

    Args:
        process_id: The attaching process.
        uid: Its user.
        added_paths: The entries of ``sys.path`` from which this package is imported; `detach_here` removes them.

    Returns:
        The reason of a failure as a sentence; empty on success.

    Cost: one walk over all objects that the garbage collector tracks, about 0.1 s per million.
    """
    from .instrumentor import ConcurrencyInstrumentor, current_installation

    global _attached
    if current_installation() is not None:
        return "The process is already instrumented."
    ConcurrencyInstrumentor().instrument()
    installation = current_installation()
    if installation is None:
        return "The instrumentation is disabled by OTEL_PYTHON_CONCURRENCY_DISABLED, or failed; see the process log."
    _attached = installation, tuple(added_paths)
    census = installation.census
    with census.locked():
        census.before_attach.begin(census.clock.now())
    for loop in _loops():
        census.loops.meet(loop, census.clock.now())
    census.ensure_running()
    installation.report_control_action("attach", Peer(process_id, uid), "", 1)
    return ""


def detach_here(process_id: int, uid: int, _added_paths: Sequence[str] = ()) -> str:
    """Remove the instrumentation that `attach_here` has installed in this process.

    Args:
        process_id: The detaching process.
        uid: Its user.

    Returns:
        The reason of a failure as a sentence; empty on success.
    """
    from .instrumentor import ConcurrencyInstrumentor, current_installation

    global _attached
    installation = current_installation()
    if installation is None:
        return "The process is not instrumented."
    if _attached is None or _attached[0] is not installation:
        return "The process instruments itself: restart it without the instrumentation to remove it."
    installation.report_control_action("detach", Peer(process_id, uid), "", 1)
    ConcurrencyInstrumentor().uninstrument()
    (_, paths), _attached = _attached, None
    for path in paths:
        if path in sys.path:
            sys.path.remove(path)
    return ""


def _loops() -> list[object]:
    events = sys.modules.get("asyncio.events")
    if events is None:
        return []
    base = events.AbstractEventLoop
    # Uses type(), because the __class__ of an instance may be a property that the application defines.
    loops = [found for found in gc.get_objects() if issubclass(type(found), base)]
    if gc.get_freeze_count():
        # The garbage collector does not list what was frozen, for example at the end of a service's start.
        known = {id(loop) for loop in loops}
        loops += [loop for key, loop in _loops_in_use(base).items() if key not in known]
    return loops


def _loops_in_use(base: type) -> dict[int, object]:
    """Return the loops of registered tasks, of this thread and of threads that asyncio runs one in, by address."""
    # asyncio offers this function to other loops, and names it in `__all__`.
    here = sys.modules["asyncio.events"]._get_running_loop()
    found = {id(loop): loop for loop in (here, *map(loop_of, registered_tasks(())))}
    for frame in sys._current_frames().values():
        at: FrameType | None = frame
        while at is not None:
            if at.f_code.co_name in _RUN and dict.get(at.f_globals, "__name__") in _RUNNERS:
                # A loop, or a `Runner`, which keeps its own in this field; on 3.10, `run` has it in a variable.
                for each in (at.f_locals.get("self"), at.f_locals.get("loop")):
                    loop = attributes_of(each).get("_loop", each)
                    found[id(loop)] = loop
            at = at.f_back
    return {key: loop for key, loop in found.items() if issubclass(type(loop), base)}
