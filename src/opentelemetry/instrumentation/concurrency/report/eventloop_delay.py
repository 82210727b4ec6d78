"""Event-loop delay: the scan thread pings each loop and times the answer.

- No timer or task of this package exists in the application's loop.
- An idle loop is not woken and counts as a delay of 0, because it would answer at once.
- A loop whose thread is not visible from Python (uvloop) is pinged at every twelfth scan.
- A loop that overrides how it determines the time or runs callbacks is not pinged.
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

from ..record.internals.of_asyncio import thread_id_of
from ..record.internals.of_threading import thread_with_ident

MAX_THREAD_NAMES: Final = 16
_SELDOM: Final = 12
_OWN_METHODS: Final = ("time", "_run_once", "call_soon_threadsafe")


class Ping:
    """A ping to a loop.

    Attributes:
        loop: Weak reference to the loop.
        sent_at: Time of the ping, in monotonic seconds.
        thread_id: Identifier of the thread that runs the loop; 0 if unknown.
        thread_name: The name of that thread.
        is_void: Whether the process could not run meanwhile, so that the delay is meaningless.
        is_answered: Whether the loop has answered.
    """

    __slots__ = ("is_answered", "is_void", "loop", "sent_at", "thread_id", "thread_name")

    def __init__(self, loop: Any, sent_at: float, thread_id: int, thread_name: str) -> None:
        self.loop: ReferenceType[Any] = ref(loop)
        self.sent_at = sent_at
        self.thread_id = thread_id
        self.thread_name = thread_name
        self.is_void = False
        self.is_answered = False

    def answer(self) -> None:
        """Mark the ping as answered; called by the loop."""
        self.is_answered = True


class DelayProbe:
    """Pings loops, with one sample per loop and scan from the second scan on.

    Args:
        record: Called with a delay in seconds and the name of the loop's thread.
        on_answer: Called with a loop and its delay in seconds.
        clock: Monotonic clock, in seconds.
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
        self._scans = 0
        self._names: set[str] = set()

    def scan(self, loops: Iterable[Any]) -> None:
        """Record the answers received and send new pings."""
        self.collect()
        self._scans += 1
        if self._scans < 2:
            return
        # Only the code objects: frames keep their variables alive, and a frame referenced from its own locals, as the
        # current one would be, is a cycle that only the collector frees.
        codes = {thread_id: frame.f_code for thread_id, frame in sys._current_frames().items()}
        for loop in loops:
            thread_id = thread_id_of(loop)
            code = codes.get(thread_id)
            if not self._may_ping(loop, code):
                continue
            if code is None or not is_selecting(code):
                self._ping(loop)
            elif (thread := thread_with_ident(thread_id)) is not None:
                self._record(0.0, self._bounded(thread.name))

    def collect(self) -> None:
        """Record the answers received."""
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

    def unanswered(self) -> list[Ping]:
        """Return the unanswered pings without recording answers; may be called in any thread."""
        pings = [self._pending.get(loop) for each in self._pending.keyrefs() if (loop := each()) is not None]
        return [ping for ping in pings if ping is not None and not ping.is_answered]

    def thread_of(self, loop: Any) -> tuple[int, str]:
        """Return identifier and name of the thread that runs a loop; 0 and empty if unknown (uvloop, at first)."""
        known_id, known_name = self._threads.get(loop, (0, ""))
        thread_id = thread_id_of(loop) or known_id
        thread = thread_with_ident(thread_id)
        return thread_id, thread.name if thread is not None else known_name

    def _may_ping(self, loop: Any, code: CodeType | None) -> bool:
        if loop in self._pending or loop.is_closed() or not loop.is_running():
            return False
        if _is_uvloop(loop):
            return self._scans % _SELDOM == 2
        return code is not None and may_be_pinged(loop)

    def _ping(self, loop: Any) -> None:
        ping = Ping(loop, self._clock(), *self.thread_of(loop))
        answers, clock = self._answers, self._clock

        def answer() -> None:
            delay = clock() - ping.sent_at
            ping.answer()
            answers.append((ping, delay, threading.get_ident(), threading.current_thread().name))

        self._pending[loop] = ping
        try:
            loop.call_soon_threadsafe(answer)
        except RuntimeError:  # the loop was closed meanwhile
            self._pending.pop(loop, None)

    def _bounded(self, thread_name: str) -> str:
        name = re.sub(r"\d+", "N", thread_name)
        if name not in self._names:
            if len(self._names) >= MAX_THREAD_NAMES:
                return "_OTHER"
            self._names.add(name)
        return name


def may_be_pinged(loop: Any) -> bool:
    """Return whether a loop determines the time and runs callbacks like the standard library's or uvloop."""
    base: Any = sys.modules["asyncio"].BaseEventLoop
    if not isinstance(loop, base):
        return _is_uvloop(loop)
    return all(getattr(type(loop), name) is getattr(base, name) for name in _OWN_METHODS)


def _is_uvloop(loop: Any) -> bool:
    return type(loop).__module__.startswith("uvloop")


def is_selecting(code: CodeType) -> bool:
    """Return whether the innermost frame of a loop's thread waits for the network, so that the loop is idle."""
    return code.co_name == "select" and code.co_filename.endswith("selectors.py")
