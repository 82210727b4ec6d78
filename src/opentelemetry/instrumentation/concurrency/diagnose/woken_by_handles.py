"""Which tasks the live handles of the event loops lead to: timers and connections may have been made to cancel them.

``asyncio.timeout`` and ``wait_for`` plan a timer; a server cancels the handler of a connection that was lost. Whoever
is cancelled cancels in turn what it awaits and the children of its task group; whoever a timer merely wakes may be a
watchdog that cancels the task it was given. So the walk opens each task that a timer or a connection leads to: what it
awaits, what the frames of asyncio and anyio hold, and tasks that a variable or an attribute of its frames names. Tasks
in a collection of its own (``background_tasks``, ``workers``) count as little there as anywhere. A callback that is
ready to run leads to tasks as well; those that it merely steps are running ones, and open nothing.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Iterable
from types import AsyncGeneratorType, CellType, CoroutineType, FrameType, FunctionType, GeneratorType
from typing import Any, Final
from weakref import WeakSet

from .closure import Cut, Pace
from .known_waits import coroutine_of, is_task, type_module, waiter_of
from .loop_handles import Handles

MAX_OBJECTS: Final = 200_000
"""Objects at which the walk gives up, and with it the proof."""
_STEPS_FROM_TIMERS: Final = 10
_STEPS_FROM_DESCRIPTORS: Final = 8
"""The connection that a request belongs to, not all that its application knows."""
_STEPS_IN_TASKS: Final = 5
"""From a future to the tasks of a gather, from a task group to its children."""
_SLICE: Final = 200
_CODE_OF: Final = {
    id(CoroutineType): "cr_code",
    id(AsyncGeneratorType): "ag_code",
    id(GeneratorType): "gi_code",
    id(FrameType): "f_code",
}
"""By address: a type of the application may have a hash of its own."""
_COLLECTIONS: Final = (list, tuple, set, frozenset, dict, deque, WeakSet, FunctionType)
_LIBRARIES: Final = ("asyncio", "anyio", "async_timeout")


def tasks_woken_by(handles: Iterable[Handles], cut: Cut, pace: Pace) -> set[int] | None:
    """Return the addresses of all tasks that handles lead to, or None where they lead to more than can be looked at.

    Args:
        handles: What the loops are going to call.
        cut: Where the walk stops.
        pace: Told of the work.

    Cost: about a microsecond a reference.
    """
    handles = list(handles)
    ready = _Walk(cut, pace, opens_tasks=False)
    ready.add([each for found in handles for each in found.ready], _STEPS_FROM_TIMERS)
    timers = _Walk(cut, pace, opens_tasks=True)
    timers.add([each for found in handles for each in found.timers], _STEPS_FROM_TIMERS)
    timers.add([each for found in handles for each in found.descriptors], _STEPS_FROM_DESCRIPTORS)
    if not ready.run() or not timers.run():
        return None
    return ready.tasks | timers.tasks


class _Walk:
    """Goes on from what has most steps left, so that nothing is looked at from afar first and from nearby later."""

    def __init__(self, cut: Cut, pace: Pace, *, opens_tasks: bool) -> None:
        self._cut = cut
        self._pace = pace
        self._opens_tasks = opens_tasks
        self._steps: dict[int, int] = {}
        self._levels: list[list[Any]] = [[] for _ in range(_STEPS_FROM_TIMERS + 1)]
        # Keeps what was met alive: addresses are used again.
        self._met: list[Any] = []
        self._unopened: list[Any] = []
        self.tasks: set[int] = set()

    def add(self, start: Iterable[Any], steps: int) -> None:
        """Begin at some objects."""
        for each in start:
            self._meet(each, steps)

    def run(self) -> bool:
        """Walk to the end; False if that is too far."""
        while len(self._met) <= MAX_OBJECTS:
            steps = next((steps for steps in reversed(range(len(self._levels))) if self._levels[steps]), -1)
            if self._unopened:
                self._open(self._unopened.pop())
            elif steps >= 0:
                self._expand(self._levels[steps], steps)
            else:
                return True
        return False

    def _expand(self, level: list[Any], steps: int) -> None:
        objects = level[-_SLICE:]
        del level[-_SLICE:]
        reached = gc.get_referents(*objects)
        for each in reached:
            if gc.is_tracked(each):
                self._meet(each, steps - 1)
        self._pace.work(len(reached) + len(objects))

    def _meet(self, found: Any, steps: int) -> None:
        address = id(found)
        if self._steps.get(address, -1) >= steps:
            return
        if is_task(found):
            self._steps[address] = sys.maxsize
            self._met.append(found)
            self.tasks.add(address)
            if self._opens_tasks:
                self._unopened.append(found)
        elif not self._cut.stops_at(found):
            if address not in self._steps:
                self._met.append(found)
            self._steps[address] = steps
            if steps > 0:
                self._levels[steps].append(found)

    def _open(self, task: Any) -> None:
        """Look at what a task awaits, and at what the frames of its await chain hold."""
        coroutine = coroutine_of(task)
        self._meet(waiter_of(task), _STEPS_IN_TASKS)
        pending, known = [coroutine], {id(coroutine)}
        while pending:
            step = pending.pop()
            is_library = _is_of_library(step)
            held = gc.get_referents(step)
            self._pace.work(len(held) + 1)
            for each in held:
                kind = type(each)
                if id(kind) in _CODE_OF:
                    if id(each) not in known:
                        known.add(id(each))
                        pending.append(each)
                elif not gc.is_tracked(each):
                    continue
                elif is_library or is_task(each) or type_module(kind).partition(".")[0] in _LIBRARIES:
                    self._meet(each, _STEPS_IN_TASKS)
                elif not issubclass(kind, _COLLECTIONS) and not self._cut.stops_at(each):
                    self._meet_named(each)

    def _meet_named(self, found: Any) -> None:
        """Meet the tasks that a cell or the attributes of an object name, but none in collections."""
        for each in gc.get_referents(found):
            if is_task(each):
                self._meet(each, 0)
            elif type(each) is dict and type(found) is not CellType:
                for value in list(dict.values(each)):
                    if is_task(value):
                        self._meet(value, 0)


def _is_of_library(step: Any) -> bool:
    attribute = _CODE_OF.get(id(type(step)))
    path = getattr(step, attribute).co_filename if attribute else ""
    return any(path.startswith(folder) for name in _LIBRARIES if (folder := _folder_of(name)))


def _folder_of(library: str) -> str:
    file = getattr(sys.modules.get(library), "__file__", None)
    return str(file).rpartition("__init__")[0] if file else ""
