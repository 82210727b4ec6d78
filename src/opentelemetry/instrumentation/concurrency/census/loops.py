"""The event loops of this process, held weakly: which run, which are closed, since when one has not run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..record.interpreter import FREE_THREADED

_HAS_LINKED_LISTS: Final = sys.version_info >= (3, 14)


class LoopBook:
    """Remembers each loop and when a scan last found it running."""

    def __init__(self) -> None:
        self._last_running: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def meet(self, loop: Any, now: float) -> None:
        """Enter a loop. A new one counts as running until a scan finds otherwise."""
        try:
            if loop not in self._last_running:
                self._last_running[loop] = now
        except TypeError:
            # A loop of another make that can not be referenced weakly is not remembered.
            pass

    def discover(self, now: float) -> None:
        """Enter the loops that run in any thread, as far as Python code runs them.

        From 3.14 on nothing but its loop leads to a task; one that no hook has seen would never be met. On
        free-threaded builds it stays unseen: the locals of a frame that runs in another thread are not to be read.
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
        # Our own frame was among them; kept in a variable of itself it would live until the next collection.
        frame = step = None

    def look(self, now: float) -> None:
        """Note which loops run now (seconds of the age clock)."""
        for loop in self:
            if not loop.is_closed() and loop.is_running():
                self._last_running[loop] = now

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._last_running))

    def ended(self, loop: Any, now: float, age: float) -> str | None:
        """Return why nothing will run on ``loop`` any more, or None while something may.

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
