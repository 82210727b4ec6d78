"""Which tasks the live handles of the event loops lead to: timers and connections may have been made to cancel them.

``asyncio.timeout`` and ``wait_for`` plan a timer; a server cancels the handler of a connection that was lost. Whoever
is cancelled cancels in turn what it awaits, the children of its task group, and whatever tasks its frames are close to.
So the walk opens each task that a timer or a connection leads to. A callback that is ready to run leads to tasks as
well; those that it merely steps are running ones, and open nothing.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

from .closure import Cut, Pace
from .known_waits import coroutine_of, is_task, waiter_of
from .loop_handles import Handles

MAX_OBJECTS: Final = 200_000
"""Objects at which the walk gives up, and with it the proof."""
_STEPS_FROM_TIMERS: Final = 10
_STEPS_FROM_DESCRIPTORS: Final = 8
"""The connection that a request belongs to, not all that its application knows."""
_STEPS_IN_TASKS: Final = 5
"""From a coroutine by way of ``self`` and its dictionary to a task in a set of a list."""
_SLICE: Final = 200
# The await chain costs no steps: however deep it is, what its innermost frames hold is as close as the rest.
_FREE: Final = (CoroutineType, AsyncGeneratorType, GeneratorType, FrameType)


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
        self.tasks: set[int] = set()

    def add(self, start: Iterable[Any], steps: int) -> None:
        """Begin at some objects."""
        for each in start:
            self._meet(each, steps)

    def run(self) -> bool:
        """Walk to the end; False if that is too far."""
        levels = self._levels
        while (steps := next((steps for steps in reversed(range(len(levels))) if levels[steps]), -1)) >= 0:
            level = levels[steps]
            objects = level[-_SLICE:]
            del level[-_SLICE:]
            for one in objects:
                reached = gc.get_referents(one)
                for each in reached:
                    if gc.is_tracked(each):
                        self._meet(each, steps if issubclass(type(each), _FREE) else steps - 1)
                self._pace.work(len(reached) + 1)
            if len(self._met) > MAX_OBJECTS:
                return False
        return True

    def _meet(self, found: Any, steps: int) -> None:
        address = id(found)
        if self._steps.get(address, -1) >= steps:
            return
        if is_task(found):
            self._steps[address] = sys.maxsize
            self._met.append(found)
            self.tasks.add(address)
            if self._opens_tasks:
                for within in (coroutine_of(found), waiter_of(found)):
                    if within is not None:
                        self._meet(within, _STEPS_IN_TASKS)
        elif not self._cut.stops_at(found):
            if address not in self._steps:
                self._met.append(found)
            self._steps[address] = steps
            if steps > 0:
                self._levels[steps].append(found)
