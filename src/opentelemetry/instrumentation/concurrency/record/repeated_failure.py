"""Repeated failures: always counted, rarely logged after the first."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ..own_log import own_logger

_logger = own_logger()

_LOG_INTERVAL_S: Final = 600.0


class RepeatedFailure:
    """Logs the first failure, then at most one per ten minutes together with the number of failures in between.

    Attributes:
        count: Number of failures.

    Args:
        message: What failed, and how the package proceeds.
        monotonic: A clock, in seconds.
    """

    def __init__(self, message: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._message = message
        self._monotonic = monotonic
        self._logged_at: float | None = None
        self._logged_count = 0
        self.count = 0

    def note(self, error: BaseException, *, with_traceback: bool = True) -> None:
        """Count a failure, and log it unless one was logged within the last ten minutes. Never raises.

        Args:
            error: The exception.
            with_traceback: Whether to log the whole traceback rather than only the text of the error.
        """
        self.count += 1
        now = self._monotonic()
        if self._logged_at is not None and now - self._logged_at < _LOG_INTERVAL_S:
            return
        unlogged = self.count - self._logged_count - 1
        more = f" {unlogged + 1} failures since the last such message." if unlogged else ""
        if isinstance(error, MemoryError):
            # A traceback needs more memory, and the line that ran out of it is arbitrary.
            with_traceback = False
        text = "" if with_traceback else f" ({str(error) or type(error).__name__})"
        try:
            _logger.error("%s%s%s", self._message, text, more, exc_info=error if with_traceback else None)
        except Exception:  # noqa: BLE001 (no memory for a log record, or a handler raises: the next failure tries again)
            return
        self._logged_at, self._logged_count = now, self.count
