"""Event loops that do not answer now, for the command line and the live page.

A ping that a scan has sent counts with its whole waiting time. Loops without an unanswered ping are pinged now and
given `BLOCKED_AGE` to answer. An idle loop would answer at once and is not woken. Unlike reports, this also works in
the first minute of a process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from weakref import ReferenceType

from ..diagnose.introspection.fingerprint import NamedFrame, waiting_at
from .attributes import frame_attribute
from .blocked_loops import stack_of_frame
from .eventloop_delay import DelayProbe, Ping, is_selecting, may_be_pinged

USUAL_AGE_S: Final = 1.0
"""Seconds without an answer after which a loop is blocked if ``BLOCKED_AGE`` is 0."""
_POLL_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class SilentLoop:
    """A loop that does not answer.

    Attributes:
        loop: Weak reference to the loop.
        thread_name: Name of the thread that runs it.
        silent_s: Seconds since the unanswered ping, a lower bound of the time for which the loop has been blocked.
        stack: The stack of its thread, innermost frame last; empty if it is not visible.
    """

    loop: ReferenceType[Any]
    thread_name: str
    silent_s: float
    stack: tuple[NamedFrame, ...]

    def as_facts(self, *, with_stack: bool = True) -> dict[str, Any]:
        """Return the loop as plain values, the stack as function, path and line per frame, innermost last."""
        facts: dict[str, Any] = {"thread": self.thread_name, "silent_s": round(self.silent_s, 3)}
        at = waiting_at(self.stack)
        facts["waiting_at"] = frame_attribute(at) if at is not None else ""
        if with_stack:
            facts["stack"] = [[frame.function, frame.path, frame.line] for frame in self.stack]
        return facts


class LoopQuestions:
    """Pings event loops on request.

    Args:
        probe: The probe that pings loops after each scan.
        blocked_age: The setting ``BLOCKED_AGE``, in seconds.
        clock: Monotonic clock, in seconds.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self,
        probe: DelayProbe,
        blocked_age: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._probe = probe
        self._age_s = blocked_age or USUAL_AGE_S
        self._clock = clock
        self._sleep = sleep
        # Unanswered pings of earlier requests, which show since when a loop has been silent.
        self._asked: list[Ping] = []

    def silent(self, loops: Iterable[Any] | None) -> list[SilentLoop]:
        """Return the loops that have not answered for ``BLOCKED_AGE``.

        Args:
            loops: Loops to ping now, unless a ping is unanswered already, and to wait for; None to check only the
                unanswered pings, which takes no time.
        """
        oldest = self._owed()
        if loops is not None:
            sent = self._ask([loop for loop in loops if id(loop) not in oldest])
            self._asked = [ping for ping in self._asked if not ping.is_answered] + sent
            oldest |= {id(ping.loop()): ping for ping in sent}
            self._wait_for(list(oldest.values()))
        now, frames = self._clock(), sys._current_frames()
        return [
            SilentLoop(ping.loop, ping.thread_name, now - ping.sent_at, stack_of_frame(frames.get(ping.thread_id)))
            for ping in oldest.values()
            if not ping.is_answered and now - ping.sent_at >= self._age_s
        ]

    def _owed(self) -> dict[int, Ping]:
        """Return the earliest unanswered ping by the address of its loop."""
        found: dict[int, Ping] = {}
        for ping in [*self._probe.unanswered(), *self._asked]:
            loop = ping.loop()
            if loop is None or ping.is_void or ping.is_answered or not loop.is_running():
                continue
            known = found.get(id(loop))
            if known is None or ping.sent_at < known.sent_at:
                found[id(loop)] = ping
        return found

    def _ask(self, loops: Iterable[Any]) -> list[Ping]:
        # Only the code objects: frames keep their variables alive.
        codes = {thread_id: frame.f_code for thread_id, frame in sys._current_frames().items()}
        sent = []
        for loop in loops:
            thread_id, name = self._probe.thread_of(loop)
            code = codes.get(thread_id)
            if not loop.is_running() or not may_be_pinged(loop) or (code is not None and is_selecting(code)):
                continue
            ping = Ping(loop, self._clock(), thread_id, name)
            try:
                loop.call_soon_threadsafe(ping.answer)
            except RuntimeError:  # the loop was closed meanwhile
                continue
            sent.append(ping)
        return sent

    def _wait_for(self, pings: list[Ping]) -> None:
        """Wait until each ping is answered or has reached the age limit."""
        while any(not ping.is_answered and self._clock() - ping.sent_at < self._age_s for ping in pings):
            self._sleep(_POLL_S)
