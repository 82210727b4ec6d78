"""The event loops of this process, weakly referenced, with when each last ran."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..record.interpreter import FREE_THREADED

_HAS_LINKED_LISTS: Final = sys.version_info >= (3, 14)


class LoopRegistry:
    """Stores the time at which a scan last found each loop running."""

    def __init__(self) -> None:
        self._last_running: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def meet(self, loop: Any, now: float) -> None:
        """Add a loop. A new loop counts as running until a scan finds otherwise."""
        try:
            if loop not in self._last_running:
                self._last_running[loop] = now
        except TypeError:
            # A loop of another implementation without weak reference support is not tracked.
            pass

    def discover(self, now: float) -> None:
        """Add the loops that run in any thread, provided that Python code runs them.

        From 3.14 on, a task can be found only through its loop, so loops that no hook has seen must be found here. On
        free-threaded builds they are not: the locals of a frame that runs in another thread must not be read.
        """
        base: Any = sys.modules.get("asyncio.base_events")
        if not _HAS_LINKED_LISTS or FREE_THREADED or base is None:
            return
        code = base.BaseEventLoop.run_forever.__code__
        frame: FrameType | None
        step: FrameType | None = None
        for frame in sys._current_frames().values():
            step = frame
            while step is not None and step.f_code is not code:
                step = step.f_back
            if step is not None:
                self.meet(step.f_locals["self"], now)
        # The current frame was among them. A frame referenced from its own locals is a cycle that only the collector
        # frees.
        frame = step = None

    def scan(self, now: float) -> None:
        """Note which loops run at ``now`` (seconds of the age clock)."""
        for loop in self:
            if not loop.is_closed() and loop.is_running():
                self._last_running[loop] = now

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._last_running))

    def ended(self, loop: Any, now: float, age: float) -> str | None:
        """Return why no further code will run on ``loop``, or None if that is not certain.

        Args:
            loop: The loop.
            now: Seconds of the age clock.
            age: Seconds without running after which a loop counts as stopped.
        """
        if loop.is_closed():
            return "its event loop is closed"
        if not loop.is_running() and now - self._last_running.get(loop, now) >= age:
            return "its event loop has stopped"
        return None
