"""The age clock: monotonic, without the time in which the process could not run.

After a process was stopped (SIGSTOP, a frozen Lambda, a migrated virtual machine), not everything must become an orphan
at once. Between two scans, the clock therefore advances by at most twice the expected gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class AgeClock:
    """Monotonic time minus the time lost in gaps.

    Args:
        monotonic: The underlying clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lost = 0.0
        self._last: float | None = None

    def restart(self) -> None:
        """Accept any time until the next scan: the scan thread was stopped on purpose."""
        self._last = None

    def scan(self, expected_gap: float) -> bool:
        """Note a scan, and return whether it follows a gap and must therefore give no verdicts.

        Args:
            expected_gap: Expected seconds since the previous scan.
        """
        now = self._monotonic()
        last, self._last = self._last, now
        if last is None:
            return False
        excess = now - last - 2 * max(expected_gap, 1.0)
        if excess <= 0:
            return False
        self._lost += excess
        return True

    def now(self) -> float:
        """Return the current time of this clock, in seconds."""
        return self._monotonic() - self._lost

    def convert(self, monotonic: float) -> float:
        """Convert a raw monotonic time of the recent past to this clock."""
        return min(monotonic - self._lost, self.now())
