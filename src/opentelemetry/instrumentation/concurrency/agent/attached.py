"""What ``attach`` runs inside a process that was started without the instrumentation."""

from __future__ import annotations

import gc
import sys

from .peer import Peer


def attach_here(process_id: int, uid: int) -> str:
    """Instrument this process and open its agent; loops and tasks that exist are found once, by the garbage collector.

    Args:
        process_id: Who attaches.
        uid: Its user.

    Returns:
        What is wrong, as a sentence; empty if it is instrumented now.

    Cost: one walk over all objects that the garbage collector knows, about 0.1 s for a million.
    """
    from ..instrumentor import ConcurrencyInstrumentor, current_installation

    if current_installation() is not None:
        return "The process is instrumented already."
    ConcurrencyInstrumentor().instrument()
    installation = current_installation()
    if installation is None:
        return "The instrumentation is switched off there by OTEL_PYTHON_CONCURRENCY_DISABLED, or failed; see its log."
    census = installation.census
    for loop in _loops():
        census.loops.meet(loop, census.clock.now())
    census.ensure_running()
    installation.tell_control("attach", Peer(process_id, uid), "", 1)
    return ""


def _loops() -> list[object]:
    events = sys.modules.get("asyncio.events")
    if events is None:
        return []
    base = events.AbstractEventLoop
    # By type(): an instance's __class__ may be a property of the application's.
    return [found for found in gc.get_objects() if issubclass(type(found), base)]
