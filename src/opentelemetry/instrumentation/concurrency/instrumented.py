"""The currently instrumented process, as its debug pages and its agent see it."""

from __future__ import annotations

from typing import Protocol

from .live_process import LiveProcess
from .report.silent_loops import SilentLoop
from .settings import Settings


class InstrumentedProcess(Protocol):
    """The live tasks and threads, and the state of the instrumentation."""

    @property
    def live(self) -> LiveProcess:
        """The live tasks and threads."""

    @property
    def settings(self) -> Settings:
        """The configured settings."""

    def uptime_s(self) -> float:
        """Return the seconds since instrumentation, or since the fork."""

    def scan_age_s(self) -> float:
        """Return the seconds since the last scan."""

    def loop_delays(self) -> dict[str, float]:
        """Return the last delay of each event loop in seconds, by the name of its thread."""

    def silent_loops(self, *, may_ask: bool) -> list[SilentLoop]:
        """Return the event loops that do not answer now; ping them, and wait a while, if ``may_ask``."""


_current: InstrumentedProcess | None = None


def set_current_process(process: InstrumentedProcess | None) -> None:
    """Set what `current_process` returns."""
    global _current
    _current = process


def current_process() -> InstrumentedProcess | None:
    """Return this process if it is instrumented, else None."""
    return _current


def required_process(needed_by: str) -> InstrumentedProcess:
    """Return this process.

    Args:
        needed_by: The public function that was called.

    Raises:
        RuntimeError: If the process is not instrumented.
    """
    if _current is None:
        message = (
            f"{needed_by} needs the instrumentation: call ConcurrencyInstrumentor().instrument() first, "
            "or start the program with opentelemetry-instrument."
        )
        raise RuntimeError(message)
    return _current
