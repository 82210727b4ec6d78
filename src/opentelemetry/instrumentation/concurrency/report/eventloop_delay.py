"""How late each event loop is: the scan thread sends a ping and times the answer.

No timer and no task of ours lives in the application's loop. An idle loop is left asleep and counts as a delay of 0,
for it would answer at once; a loop whose thread cannot be seen from Python (uvloop) is pinged once in twelve scans; one
that overrides how it tells time or runs its callbacks is not pinged at all.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any, Final
from weakref import ReferenceType, WeakKeyDictionary, ref

MAX_THREAD_NAMES: Final = 16
_SELDOM: Final = 12
_OWN_METHODS: Final = ("time", "_run_once", "call_soon_threadsafe")


class Ping:
    """One unanswered question to a loop.

    Attributes:
        loop: The loop, weakly.
        sent_at: When it was asked, monotonic seconds.
        thread_id: Of the thread that runs the loop; 0 if unknown.
        thread_name: Its name.
        is_void: Whether the process could not run meanwhile, so that the answer says nothing.
    """

    __slots__ = ("is_void", "loop", "sent_at", "thread_id", "thread_name")

    def __init__(self, loop: Any, sent_at: float, thread_id: int, thread_name: str) -> None:
        self.loop: ReferenceType[Any] = ref(loop)
        self.sent_at = sent_at
        self.thread_id = thread_id
        self.thread_name = thread_name
        self.is_void = False


class DelayProbe:
    """Pings loops, one sample a loop and scan from the second scan on.

    Args:
        record: Takes a delay in seconds and the name of the loop's thread.
        on_answer: Takes a loop and its delay in seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        record: Callable[[float, str], None],
        on_answer: Callable[[Any, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._clock = clock
        self._on_answer = on_answer
        self._answers: deque[tuple[Ping, float, int, str]] = deque()
        self._pending: WeakKeyDictionary[Any, Ping] = WeakKeyDictionary()
        self._threads: WeakKeyDictionary[Any, tuple[int, str]] = WeakKeyDictionary()
        self._looks = 0
        self._names: set[str] = set()

    def look(self, loops: Iterable[Any]) -> None:
        """Record the answers that came in and send new pings."""
        self.collect()
        self._looks += 1
        if self._looks < 2:
            return
        # Their code alone: a frame keeps what its variables hold, and one that is kept in a variable of itself, as ours
        # would be, keeps it until the next collection.
        codes = {thread_id: frame.f_code for thread_id, frame in sys._current_frames().items()}
        for loop in loops:
            thread_id = getattr(loop, "_thread_id", None) or 0
            code = codes.get(thread_id)
            if not self._may_ping(loop, code):
                continue
            if code is None or not _is_selecting(code):
                self._ping(loop)
            elif (thread := threading._active.get(thread_id)) is not None:  # type: ignore[attr-defined]
                self._record(0.0, self._bounded(thread.name))

    def collect(self) -> None:
        """Record the answers that came in."""
        while self._answers:
            ping, delay, thread_id, name = self._answers.popleft()
            loop = ping.loop()
            if loop is not None:
                self._pending.pop(loop, None)
                self._threads[loop] = (thread_id, name)
                self._on_answer(loop, delay)
            if not ping.is_void:
                self._record(delay, self._bounded(name))

    def pending(self) -> list[Ping]:
        """Return the unanswered pings."""
        self.collect()
        return list(self._pending.values())

    def _may_ping(self, loop: Any, code: CodeType | None) -> bool:
        if loop in self._pending or loop.is_closed() or not loop.is_running():
            return False
        base: Any = sys.modules["asyncio"].BaseEventLoop
        if not isinstance(loop, base):
            return type(loop).__module__.startswith("uvloop") and self._looks % _SELDOM == 2
        return code is not None and all(getattr(type(loop), name) is getattr(base, name) for name in _OWN_METHODS)

    def _ping(self, loop: Any) -> None:
        known_id, known_name = self._threads.get(loop, (0, ""))
        thread_id = getattr(loop, "_thread_id", None) or known_id
        thread = threading._active.get(thread_id)  # type: ignore[attr-defined]
        ping = Ping(loop, self._clock(), thread_id, thread.name if thread is not None else known_name)
        answers, clock = self._answers, self._clock

        def answer() -> None:
            delay = clock() - ping.sent_at
            answers.append((ping, delay, threading.get_ident(), threading.current_thread().name))

        self._pending[loop] = ping
        try:
            loop.call_soon_threadsafe(answer)
        except RuntimeError:  # closed in the meantime
            self._pending.pop(loop, None)

    def _bounded(self, thread_name: str) -> str:
        name = re.sub(r"\d+", "N", thread_name)
        if name not in self._names:
            if len(self._names) >= MAX_THREAD_NAMES:
                return "_OTHER"
            self._names.add(name)
        return name


def _is_selecting(code: CodeType) -> bool:
    return code.co_name == "select" and code.co_filename.endswith("selectors.py")
