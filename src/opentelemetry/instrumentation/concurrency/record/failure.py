"""Failing hooks: a hook that raises is removed, logged once and counted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import CodeType
from typing import Any, Final

from ..own_log import own_logger

_logger = own_logger()

_TRANSIENT: Final = (RecursionError, MemoryError)
"""Errors caused by the application's state rather than by the hook; counted, and the hook stays installed."""


class HookFailure:
    """Removes a hook after its first exception.

    Args:
        hook: The hooked function, for the log line.
        on_failure: Called with ``hook`` at each failure, to count it.
    """

    __slots__ = ("_hook", "_on_failure", "_said_unreferable")

    def __init__(self, hook: str, on_failure: Callable[[str], None]) -> None:
        self._hook = hook
        self._on_failure = on_failure
        self._said_unreferable = False

    def __call__(self, error: Exception, disarm: Callable[[], None], result: Any = None) -> Any:
        """Record ``error``, and call ``disarm`` unless the hook is not to blame.

        Returns:
            ``result``, the value that the hook must return in any case.

        Raises:
            Exception: ``error`` itself, if a signal handler of the application raised it while the hook ran. The
                hook's caller receives it, as it would without the instrumentation.
        """
        is_theirs = False
        try:
            is_theirs = _is_of_signal_handler(error)
            if not is_theirs:
                self._record(error, disarm)
        except Exception:  # noqa: BLE001, S110 (stack exhausted or a logging handler raised: not reportable)
            pass
        if is_theirs:
            raise error
        return result

    def _record(self, error: Exception, disarm: Callable[[], None]) -> None:
        self._on_failure(self._hook)
        if isinstance(error, _TRANSIENT):
            return
        if _is_unreferable(error):
            self._say_unreferable(error)
            return
        disarm()
        _logger.error(
            "The hook on %s failed and has been removed. The application is unaffected, "
            "but tasks and threads created through it from now on are found only by scans.",
            self._hook,
            exc_info=error,
        )

    def _say_unreferable(self, error: Exception) -> None:
        if self._said_unreferable:
            return
        self._said_unreferable = True
        _logger.warning(
            "An object created through %s is not recorded because it cannot be weakly referenced (%s). "
            "Further occurrences are counted but not logged; the hook stays installed.",
            self._hook,
            error,
        )


def _is_of_signal_handler(error: Exception) -> bool:
    """Return whether a signal handler that is currently set appears in the traceback of ``error``."""
    if isinstance(error, _TRANSIENT) or threading.get_ident() != threading.main_thread().ident:
        return False
    handlers = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in handlers:
            return True
        traceback = traceback.tb_next
    return False


def _code_of(handler: Any) -> CodeType | None:
    try:
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        return code if isinstance(code, CodeType) else None
    except Exception:  # noqa: BLE001 (attributes of an application object may raise anything)
        return None


def _is_unreferable(error: Exception) -> bool:
    """Return whether ``error`` is CPython's (3.10 to 3.15) for an object without weak reference support."""
    return isinstance(error, TypeError) and str(error).startswith("cannot create weak reference to ")
