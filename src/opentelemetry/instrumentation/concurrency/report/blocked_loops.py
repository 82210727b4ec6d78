"""Reports on blocked event loops, with the blocking stack and the duration.

No reports are sent in the first minute of a process, while modules are imported, nor under a debugger or in a notebook,
where programs are stopped on purpose. Time in which the process could not run does not count.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry._logs import SeverityNumber

from ..diagnose.introspection.fingerprint import NamedFrame, named_frame, waiting_at
from ..durations import duration_text
from .attributes import (
    BLOCKED_FOR,
    CODE_STACKTRACE,
    LOOP_BLOCKED,
    REASON,
    REPORT_ID,
    RESOLVED,
    THREAD_NAME,
    WAITING_AT,
    Attributes,
    frame_attribute,
)
from .eventloop_delay import Ping
from .sinks import Sinks
from .stack_text import stack_text

QUIET_S: Final = 60.0
"""Seconds after the start of a process without reports."""
_GAP_S: Final = 5.0
_MAX_FRAMES: Final = 200
_DEBUGGER_MODULES: Final = frozenset({"bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy", "IPython", "ipykernel"})


class BlockedLoops:
    """Checks unanswered pings.

    Args:
        blocked_age: Seconds without an answer after which a loop is blocked; 0 disables the reports.
        sinks: The sinks.
        stack_text_limit: Maximum number of bytes of the stack text.
        with_source: Whether the stack includes source lines.
        clock: Monotonic clock, in seconds.
        cpu: CPU time of this process, in seconds.
        frames: A function like ``sys._current_frames``.
    """

    def __init__(
        self,
        blocked_age: float,
        sinks: Sinks,
        *,
        stack_text_limit: int,
        with_source: bool,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
        frames: Callable[[], dict[int, Any]] = sys._current_frames,
    ) -> None:
        self._blocked_age = blocked_age
        self._sinks = sinks
        self._stack_text_limit = stack_text_limit
        self._with_source = with_source
        self._clock = clock
        self._cpu = cpu
        self._frames = frames
        self._started_at = self._last_check = clock()
        self._last_cpu = cpu()
        self._blocks: WeakKeyDictionary[Any, Attributes] = WeakKeyDictionary()

    def wait_s(self, pending: Iterable[Ping]) -> float | None:
        """Return the seconds until `check` must be called, or None if no ping is unanswered."""
        return self._blocked_age if self._blocked_age and any(True for _ in pending) else None

    def check(self, pending: Iterable[Ping]) -> None:
        """Report loops that have not answered for the age limit, once per block. Cost: one stack per blocked loop."""
        now, cpu = self._clock(), self._cpu()
        last, last_cpu = self._last_check, self._last_cpu
        self._last_check, self._last_cpu = now, cpu
        for ping in pending:
            silent = now - max(last, ping.sent_at)
            # A stopped process used no processor time; one whose C code held the interpreter lock did.
            if silent > 3 * self._blocked_age + _GAP_S and cpu - last_cpu < silent / 2:
                ping.is_void = True
        if not self._blocked_age or now - self._started_at < QUIET_S or "ipykernel" in sys.modules:
            return
        for ping in pending:
            loop = ping.loop()
            if loop is None or ping.is_void or loop in self._blocks or now - ping.sent_at < self._blocked_age:
                continue
            frame = self._frames().get(ping.thread_id)
            stack = stack_of_frame(frame)
            if stack:
                self._report(loop, ping, stack, now - ping.sent_at)

    def answered(self, loop: Any, delay_s: float) -> None:
        """Note an answer and its delay in seconds; the end of a reported block is reported with its duration."""
        attributes = self._blocks.pop(loop, None)
        if attributes is not None:
            reason = f"The event loop answers again; it was blocked for {duration_text(delay_s)}."
            kept = {key: value for key, value in attributes.items() if key != CODE_STACKTRACE}
            self._sinks.send(RESOLVED, {**kept, BLOCKED_FOR: delay_s, REASON: reason}, severity=SeverityNumber.INFO)

    def _report(self, loop: Any, ping: Ping, stack: tuple[NamedFrame, ...], blocked_for: float) -> None:
        at = waiting_at(stack)
        where = f" in {frame_attribute(at)}" if at is not None else ""
        attributes: Attributes = {
            CODE_STACKTRACE: stack_text(stack, limit_bytes=self._stack_text_limit, with_source=self._with_source),
            BLOCKED_FOR: blocked_for,
            THREAD_NAME: ping.thread_name,
            REPORT_ID: os.urandom(8).hex(),
            REASON: f"The event loop has not answered for {duration_text(blocked_for)}: its thread is{where}.",
        }
        if at is not None:
            attributes[WAITING_AT] = frame_attribute(at)
        self._blocks[loop] = attributes
        self._sinks.send(LOOP_BLOCKED, attributes, severity=SeverityNumber.WARN)


def stack_of_frame(frame: Any) -> tuple[NamedFrame, ...]:
    """Return the stack, outermost first; empty without a frame or in a debugger."""
    frames: list[NamedFrame] = []
    while frame is not None and len(frames) < _MAX_FRAMES:
        module = frame.f_globals.get("__name__")
        name = module if isinstance(module, str) else ""
        if name.partition(".")[0] in _DEBUGGER_MODULES:
            return ()
        frames.append(named_frame(frame.f_code, frame.f_lineno or 0, name))
        frame = frame.f_back
    return tuple(reversed(frames))
