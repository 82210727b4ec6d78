"""Interface of the instrumented process for the agent; `Installation` implements it."""

from __future__ import annotations

from typing import Protocol

from ..instrumented import InstrumentedProcess
from .peer import Peer


class Target(InstrumentedProcess, Protocol):
    """An instrumented process that reports control actions of the command line."""

    def reports_dropped(self) -> dict[str, int]:
        """Return the number of dropped reports by reason."""

    def telemetry(self) -> dict[str, str]:
        """Return the types of the tracer, meter and logger in use."""

    def report_control_action(self, action: str, peer: Peer, shown_filter: str, count: int) -> None:
        """Report and log a control action before it happens.

        Args:
            action: The action.
            peer: The requesting process and user.
            shown_filter: The filter of the request.
            count: Number of tasks that the action applies to.
        """
