"""Private names of `asyncio` that more than one layer reads. Imports nothing.

Fields of tasks and futures are read in ``diagnose.introspection.known_waits``. The hooks in ``tasks`` and ``creator``
read the running loop and the loop's fields themselves, because each call costs a twentieth of a hook.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet

from .of_threading import thread_with_ident

_WEAK_SETS: Final = ("_all_tasks", "_scheduled_tasks")


def running_loop() -> Any:
    """Return the event loop that runs in the calling thread; None without one, or if asyncio is not imported."""
    running: Callable[[], Any] | None = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
    return None if running is None else running()


def thread_id_of(loop: object) -> int:
    """Return the identifier of the thread that runs a loop; 0 if it does not run or has no such field (uvloop)."""
    ident = getattr(loop, "_thread_id", None)
    return ident if type(ident) is int else 0


def thread_running(loop: object) -> threading.Thread | None:
    """Return the thread that runs a loop; None if it is unknown (uvloop)."""
    return thread_with_ident(thread_id_of(loop))


def task_registries() -> list[WeakSet[Any]]:
    """Return the sets in which asyncio registers tasks; from 3.14 on, only those of other implementations of tasks."""
    tasks = sys.modules.get("asyncio.tasks")
    sets = {id(found): found for name in _WEAK_SETS if type(found := getattr(tasks, name, None)) is WeakSet}
    return list(sets.values())


def references_in(registry: WeakSet[Any]) -> Any:
    """Return the weak references in a `WeakSet`; empty if its field has another name."""
    return getattr(registry, "data", ())


def registry_callback() -> Any:
    """Return the callback of the weak references in the set where asyncio registers each new task; None without one.

    From 3.14 on, asyncio keeps its own tasks in a list without weak references.
    """
    tasks = sys.modules.get("asyncio.tasks")
    found = next((found for name in reversed(_WEAK_SETS) if (found := getattr(tasks, name, None)) is not None), None)
    return getattr(found, "_remove", None) if type(found) is WeakSet else None


def eager_tasks() -> Any:
    """Return the set of tasks that started eagerly; empty where asyncio has none."""
    return getattr(sys.modules.get("asyncio.tasks"), "_eager_tasks", ())


def current_task_lookup() -> Callable[[Any], Any]:
    """Return the fastest function that returns a loop's current task. Imports asyncio.

    Up to 3.13 that is the lookup in a dictionary (`current_task` is Python code on ≤ 3.11), from 3.14 on, or if there
    is no such dictionary, the public function.
    """
    import asyncio

    current = getattr(asyncio.tasks, "_current_tasks", None) if sys.version_info < (3, 14) else None
    return current.get if type(current) is dict else asyncio.current_task
