"""The clock that ages are told by: monotonic, and blind to the time in which the process could not run.

A stopped process (SIGSTOP, a frozen Lambda, a migrated virtual machine) must not make everything an orphan at once:
between two scans the clock advances by at most twice the expected gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class AgeClock:
    """Monotonic time less what was lost in gaps.

    Args:
        monotonic: The clock underneath, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lost = 0.0
        self._last: float | None = None

    def restart(self) -> None:
        """Expect no next look at any time: the scan thread was stopped on purpose."""
        self._last = None

    def look(self, expected_gap: float) -> bool:
        """Note a scan and return whether it comes after a gap, so that it may give no verdicts.

        Args:
            expected_gap: Seconds that should have passed since the scan before.
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
        """Return the present time of this clock, in seconds."""
        return self._monotonic() - self._lost

    def convert(self, monotonic: float) -> float:
        """Return a raw monotonic time of the recent past as a time of this clock."""
        return min(monotonic - self._lost, self.now())
