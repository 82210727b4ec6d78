"""``DUMP_SIGNAL``: a signal that writes the grouped profile to standard error, as SIGQUIT does in Go and Java."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from .own_thread import start_own_thread

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")


class DumpSignal:
    """Handles one signal while it is installed.

    Args:
        name: Such as ``USR2``.
        write: Writes the dump to a stream of text.
    """

    def __init__(self, name: str, write: Callable[[Any], None]) -> None:
        self._signal = getattr(signal, f"SIG{name.removeprefix('SIG')}")
        self._name = name
        self._write = write
        self._before: Any = None
        self._is_installed = False

    def install(self) -> None:
        """Take the signal. Says so where that can't be: only the main thread may."""
        try:
            self._before = signal.signal(self._signal, self._handle)
            self._is_installed = True
        except (ValueError, OSError) as error:
            _logger.warning("DUMP_SIGNAL=%s can't be handled (%s): instrument in the main thread.", self._name, error)

    def uninstall(self) -> None:
        """Give the signal back, unless somebody else took it."""
        if not self._is_installed:
            return
        self._is_installed = False
        try:
            if signal.getsignal(self._signal) == self._handle:
                signal.signal(self._signal, self._before or signal.SIG_DFL)
        except (ValueError, OSError):
            # Not in the main thread: then it stays and does nothing worse than write.
            pass

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # The handler runs in the main thread, between two instructions of the application: it must not wait for locks.
        start_own_thread(self._dump, "OtelConcurrencyDump")
        if callable(self._before):
            self._before(number, frame)

    def _dump(self) -> None:
        try:
            self._write(sys.stderr)
            sys.stderr.flush()
        except Exception:
            _logger.exception("The dump on %s failed.", self._name)
