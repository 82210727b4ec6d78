"""What happens when one of our hooks raises: it is taken out, said once, counted; the application goes on."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import CodeType
from typing import Any, Final

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

_TRANSIENT: Final = (RecursionError, MemoryError)
"""The application's own straits, which say nothing about the hook: counted, and the hook stays."""


class HookFailure:
    """Takes one hook out after its first exception.

    Args:
        hook: What the hook is on, for the log line.
        on_failure: Called with ``hook`` at each failure, to count it.
    """

    __slots__ = ("_hook", "_on_failure", "_said_unreferable")

    def __init__(self, hook: str, on_failure: Callable[[str], None]) -> None:
        self._hook = hook
        self._on_failure = on_failure
        self._said_unreferable = False

    def __call__(self, error: Exception, disarm: Callable[[], None], result: Any = None) -> Any:
        """Record ``error`` and call ``disarm`` unless it says nothing about the hook.

        Returns:
            ``result``, what the hook owes its caller all the same.

        Raises:
            Exception: ``error`` itself, where a signal handler of the application raised it while the hook ran. The
                hook's caller gets it, as it would without us.
        """
        is_theirs = False
        try:
            is_theirs = _is_of_signal_handler(error)
            if not is_theirs:
                self._record(error, disarm)
        except Exception:  # noqa: BLE001, S110 (no stack left, or a logging handler raises; there is no one left to tell)
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
            "The hook on %s failed and has been taken out; the application is not affected, "
            "but what is created through it from now on is found only by the census.",
            self._hook,
            exc_info=error,
        )

    def _say_unreferable(self, error: Exception) -> None:
        if self._said_unreferable:
            return
        self._said_unreferable = True
        _logger.warning(
            "What was created through %s is not recorded, as it cannot be weakly referenced (%s). "
            "It is counted, and said only once; the hook stays.",
            self._hook,
            error,
        )


def _is_of_signal_handler(error: Exception) -> bool:
    """Tell whether one of the functions that Python now calls for signals stands in the traceback of ``error``."""
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
    except Exception:  # noqa: BLE001 (an object of the application, which may answer as it likes)
        return None


def _is_unreferable(error: Exception) -> bool:
    """Tell whether ``error`` is CPython's (3.10 to 3.15) for an object of a type without weak references."""
    return isinstance(error, TypeError) and str(error).startswith("cannot create weak reference to ")
