"""What the agent asks of the instrumented process: `Installation` is one."""

from __future__ import annotations

from typing import Protocol

from ..census.census import Census
from ..diagnose.diagnosis import Diagnosed, Diagnosis
from ..record.recorder import Recorder
from ..settings import Settings
from .peer import Peer


class Target(Protocol):
    """The parts of an instrumented process."""

    census: Census
    diagnosis: Diagnosis
    diagnosed: Diagnosed
    recorder: Recorder

    @property
    def settings(self) -> Settings:
        """What was configured."""

    def uptime_s(self) -> float:
        """Return the seconds since instrumentation, or since the fork."""

    def scan_age_s(self) -> float:
        """Return the seconds since the last scan."""

    def loop_delays(self) -> dict[str, float]:
        """Return the last delay of each event loop in seconds, by the name of its thread."""

    def reports_dropped(self) -> dict[str, int]:
        """Return how many reports were dropped, by reason."""

    def telemetry(self) -> dict[str, str]:
        """Return the types of the tracer, meter and logger in use."""

    def tell_control(self, action: str, peer: Peer, shown_filter: str, count: int) -> None:
        """Tell telemetry and log that somebody controls this process, before it happens.

        Args:
            action: What is done.
            peer: Who does it.
            shown_filter: To what, as it was asked for.
            count: To how many.
        """
