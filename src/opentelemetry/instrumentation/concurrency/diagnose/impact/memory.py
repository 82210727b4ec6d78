"""The memory of a leak: bytes that would be free if the leaked tasks of a site ended.

Large groups are measured by a sample, whose size depends on what the first tasks reach. Objects that only leaked tasks
outside the sample share with it then count as held by others, and are missing in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, Final
from weakref import ReferenceType

from ..proof.closure import Cut
from ..proof.wakeability import alive
from ..verdict.impact import LeakMemory
from .exclusive import MAX_OBJECTS, MAX_WORK, exclusive_memory

_FIRST: Final = 32
"""Number of tasks that show how many objects a task reaches."""
_MOST_TASKS: Final = 10_000


def measure_memory(
    references: Sequence[ReferenceType[Any]],
    total: int,
    cut: Cut,
    pause: Callable[[], None],
    *,
    live: Container[int] = (),
    max_work: int = MAX_WORK,
) -> LeakMemory | None:
    """Measure the memory of leaked tasks; None if all have ended or the measurement failed. Never raises.

    Args:
        references: Weak references to the tasks, or to evenly spaced ones.
        total: Number of tasks.
        cut: Objects that are held whatever ends.
        pause: Called often between slices of work, to let the event loop run.
        live: Addresses of objects known to be held by others.
        max_work: Maximum number of references to inspect.

    Cost: about a microsecond per reference of an object that only the tasks hold; a second at most.
    """
    try:
        first = list(alive(_spaced(references, _FIRST)))
        if not first:
            return None
        found = exclusive_memory(first, cut, pause, live=live, max_work=max_work)
        measured = len(first)
        if len(references) > _FIRST:
            # A tenth is reserved for objects that are inspected in search of cycles.
            fitting = MAX_OBJECTS * 9 // 10 * measured // max(1, found.seen)
            tasks = list(alive(_spaced(references, max(_FIRST, min(_MOST_TASKS, fitting)))))
            first.clear()
            measured = len(tasks)
            found = exclusive_memory(tasks, cut, pause, live=live, max_work=max_work)
    except Exception:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return None
    scaled = round(found.bytes * max(total, measured) / max(1, measured))
    return LeakMemory(scaled, max(total, measured), measured, found.is_complete, found.not_counted)


def _spaced(references: Sequence[ReferenceType[Any]], most: int) -> Sequence[ReferenceType[Any]]:
    """Return at most ``most`` references, evenly spaced."""
    return references[:: -(-len(references) // most)] if len(references) > most else references
