"""What happens when one of our hooks raises: it is taken out, said once, counted; the application goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

_TRANSIENT: Final = (RecursionError, MemoryError)
"""The application's own straits, which say nothing about the hook: counted, and the hook stays."""


class HookFailure:
    """Takes one hook out after its first exception.

    Args:
        hook: What the hook is on, for the log line.
        on_failure: Called with ``hook`` at each failure, to count it.
    """

    __slots__ = ("_hook", "_on_failure")

    def __init__(self, hook: str, on_failure: Callable[[str], None]) -> None:
        self._hook = hook
        self._on_failure = on_failure

    def __call__(self, error: Exception, disarm: Callable[[], None]) -> None:
        """Record ``error`` and call ``disarm`` unless the error is a transient one of the application. Never raises."""
        try:
            self._on_failure(self._hook)
            if isinstance(error, _TRANSIENT):
                return
            disarm()
            _logger.error(
                "The hook on %s failed and has been taken out; the application is not affected, "
                "but what is created through it from now on is found only by the census.",
                self._hook,
                exc_info=error,
            )
        except Exception:  # noqa: BLE001, S110 (a logging handler of the application may raise; there is no one left to tell)
            pass
