"""The code that ``attach`` runs in a process that was started without the instrumentation."""

from __future__ import annotations

import gc
import sys

from .agent.peer import Peer


def attach_here(process_id: int, uid: int) -> str:
    """Instrument this process and open its agent; existing loops and tasks are found through the garbage collector.

    Args:
        process_id: The attaching process.
        uid: Its user.

    Returns:
        The reason of a failure as a sentence; empty on success.

    Cost: one walk over all objects that the garbage collector tracks, about 0.1 s per million.
    """
    from .instrumentor import ConcurrencyInstrumentor, current_installation

    if current_installation() is not None:
        return "The process is already instrumented."
    ConcurrencyInstrumentor().instrument()
    installation = current_installation()
    if installation is None:
        return "The instrumentation is disabled by OTEL_PYTHON_CONCURRENCY_DISABLED, or failed; see the process log."
    census = installation.census
    for loop in _loops():
        census.loops.meet(loop, census.clock.now())
    census.ensure_running()
    installation.report_control_action("attach", Peer(process_id, uid), "", 1)
    return ""


def _loops() -> list[object]:
    events = sys.modules.get("asyncio.events")
    if events is None:
        return []
    base = events.AbstractEventLoop
    # Uses type(), because the __class__ of an instance may be a property that the application defines.
    return [found for found in gc.get_objects() if issubclass(type(found), base)]
