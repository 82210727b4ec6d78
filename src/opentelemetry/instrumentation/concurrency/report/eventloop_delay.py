"""How late each event loop is: the scan thread sends a ping and times the answer.

No timer and no task of ours lives in the application's loop. An idle loop is left asleep; a loop whose thread cannot
be seen from Python (uvloop) is pinged once in twelve scans; one that overrides how it tells time or runs its callbacks
is not pinged at all.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

MAX_THREAD_NAMES: Final = 16
_SELDOM: Final = 12
_OWN_METHODS: Final = ("time", "_run_once", "call_soon_threadsafe")


class DelayProbe:
    """Pings loops, one sample a loop and scan from the second scan on.

    Args:
        record: Takes a delay in seconds and the name of the loop's thread.
    """

    def __init__(self, record: Callable[[float, str], None]) -> None:
        self._record = record
        self._answers: deque[tuple[float, str]] = deque()
        self._pending: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
        self._looks = 0
        self._names: set[str] = set()

    def look(self, loops: Iterable[Any]) -> None:
        """Record the answers that came in and send new pings."""
        while self._answers:
            delay, name = self._answers.popleft()
            self._record(delay, self._bounded(name))
        self._looks += 1
        if self._looks < 2:
            return
        frames = sys._current_frames()
        for loop in loops:
            if self._should_ping(loop, frames):
                self._ping(loop)

    def _should_ping(self, loop: Any, frames: dict[int, Any]) -> bool:
        if loop in self._pending or loop.is_closed() or not loop.is_running():
            return False
        base: Any = sys.modules["asyncio"].BaseEventLoop
        if not isinstance(loop, base):
            return type(loop).__module__.startswith("uvloop") and self._looks % _SELDOM == 2
        if any(getattr(type(loop), name) is not getattr(base, name) for name in _OWN_METHODS):
            return False
        frame = frames.get(getattr(loop, "_thread_id", None) or 0)
        return frame is not None and not _is_selecting(frame)

    def _ping(self, loop: Any) -> None:
        pending, answers = self._pending, self._answers
        sent_at = time.monotonic()

        def answer() -> None:
            answers.append((time.monotonic() - sent_at, threading.current_thread().name))
            pending.pop(loop_reference(), None)

        loop_reference = ref(loop)
        pending[loop] = True
        try:
            loop.call_soon_threadsafe(answer)
        except RuntimeError:  # closed in the meantime
            pending.pop(loop, None)

    def _bounded(self, thread_name: str) -> str:
        name = re.sub(r"\d+", "N", thread_name)
        if name not in self._names:
            if len(self._names) >= MAX_THREAD_NAMES:
                return "_OTHER"
            self._names.add(name)
        return name


def _is_selecting(frame: Any) -> bool:
    code = frame.f_code
    is_select: bool = code.co_name == "select" and code.co_filename.endswith("selectors.py")
    return is_select
