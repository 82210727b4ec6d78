"""The variables that keep leaked threads alive, and those that hold what the threads wait for, by name.

The interpreter keeps every running thread alive. The variable of interest is the one by which the application could
end it: what refers to the thread, or to its executor. Variables of the leaked threads themselves do not count.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, Final
from weakref import ReferenceType

from ...record.frame_locals import variables_of
from ...record.internals.of_futures import workers_of
from ...record.internals.of_threading import thread_ident
from ...record.raw_fields import module_name
from ..proof.closure import Cut
from ..proof.wakeability import alive
from .holders import Holders, name_of
from .named_walk import NamedWalk

_MOST_TARGETS: Final = 200
"""Number of threads per group whose holders are sought, evenly spaced."""
_MOST_STACKS: Final = 20
"""Number of these whose stacks are read, a few microseconds each without a pause."""
_MOST_FRAMES: Final = 10
_WAITING_MODULES: Final = frozenset({"threading", "queue"})


def find_thread_holders(
    groups: Sequence[Sequence[ReferenceType[Any]]],
    executors: Iterable[Any],
    loops: Iterable[Any],
    application: Iterable[str],
    cut: Cut,
    pause: Callable[[], None],
) -> list[Holders]:
    """Return the holders of groups of leaked threads. Never raises.

    Args:
        groups: Weak references to the threads of each group.
        executors: The live executors; for their workers, the variable that holds the executor is sought.
        loops: The event loops.
        application: Names of top-level packages that count as application code besides modules outside libraries.
        cut: Library objects, which are not searched.
        pause: Called often between slices of work, to let the event loop run.

    Cost: some milliseconds; about 50 at most.
    """
    try:
        return _find(groups, executors, loops, frozenset(application), cut, pause)
    except Exception:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return [Holders() for _ in groups]


def _find(
    groups: Sequence[Sequence[ReferenceType[Any]]],
    executors: Iterable[Any],
    loops: Iterable[Any],
    application: frozenset[str],
    cut: Cut,
    pause: Callable[[], None],
) -> list[Holders]:
    executor_of = {id(worker): id(executor) for executor in executors for worker in list(workers_of(executor))}
    frames = sys._current_frames()
    frames.pop(threading.get_ident(), None)
    kept: list[set[int]] = []
    awaited: list[set[int]] = []
    leaked: set[int] = set()
    for group in groups:
        threads = list(alive(group[:: -(-len(group) // _MOST_TARGETS) or 1]))
        leaked.update(map(thread_ident, alive(group)))
        kept.append({executor_of.get(id(thread), id(thread)) for thread in threads})
        awaited.append({id(found) for found in _awaited_by(threads[:: -(-len(threads) // _MOST_STACKS) or 1], frames)})
        threads.clear()
    frames.clear()
    targets: set[int] = set().union(*kept, *awaited)
    walk = NamedWalk(targets, application, cut, pause, skipped=leaked)

    def is_done() -> bool:
        found = walk.found.keys()
        return all(2 * len(found & ids) >= len(ids) for ids in (*kept, *awaited))

    walk.walk((), loops, is_done)
    return [
        Holders(name_of(walk, ids, ends_at_primitive=False), name_of(walk, waiters, ends_at_primitive=False))
        for ids, waiters in zip(kept, awaited, strict=True)
    ]


def _awaited_by(threads: Iterable[Any], frames: Mapping[int, FrameType]) -> Iterator[Any]:
    """Yield the queues, events and other objects of the standard library in whose methods threads wait."""
    for thread in threads:
        found = _awaited_in(frames.get(thread_ident(thread)))
        if found is not None:
            yield found


def _awaited_in(frame: FrameType | None) -> Any:
    found = None
    for _ in range(_MOST_FRAMES):
        if frame is None or module_name(frame.f_globals) not in _WAITING_MODULES:
            break
        method_of = (variables_of(frame) or {}).get("self")
        if method_of is None or issubclass(type(method_of), threading.Thread):
            break
        found, frame = method_of, frame.f_back
    return found
