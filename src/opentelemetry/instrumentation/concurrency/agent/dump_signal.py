"""``DUMP_SIGNAL``: a signal that writes the grouped profile to standard error, as SIGQUIT does in Go and Java."""

from __future__ import annotations

import signal
import sys
from functools import partial
from types import FrameType
from typing import Any

from ..live_process import LiveProcess
from ..own_log import own_logger
from ..record.own_thread import start_own_thread

_logger = own_logger()


def write_profiles(live: LiveProcess, stream: Any) -> None:
    """Write the grouped profiles of tasks and threads to a stream of text."""
    from ..live_profile import write_profile

    write_profile(live, "task", stream)
    write_profile(live, "thread", stream)


class DumpSignal:
    """Handles one signal while it is installed.

    Args:
        name: Name of the signal, such as ``USR2``.
        live: The process.
    """

    def __init__(self, name: str, live: LiveProcess) -> None:
        self._signal = getattr(signal, f"SIG{name.removeprefix('SIG')}")
        self._name = name
        self._write = partial(write_profiles, live)
        self._before: Any = None
        self._is_installed = False

    def install(self) -> None:
        """Install the handler; warns if this is not the main thread, where it is impossible."""
        try:
            self._before = signal.signal(self._signal, self._handle)
            self._is_installed = True
        except (ValueError, OSError) as error:
            _logger.warning(
                "OTEL_PYTHON_CONCURRENCY_DUMP_SIGNAL=%s can't be handled (%s): instrument in the main thread.",
                self._name,
                error,
            )

    def uninstall(self) -> None:
        """Restore the previous handler, unless another one has been installed since."""
        if not self._is_installed:
            return
        self._is_installed = False
        try:
            if signal.getsignal(self._signal) == self._handle:
                signal.signal(self._signal, self._before or signal.SIG_DFL)
        except (ValueError, OSError):
            # Not in the main thread: the handler stays installed and only writes profiles.
            pass

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # The handler runs in the main thread between two instructions of the application: it must not wait for locks.
        start_own_thread(self._dump, "OtelConcurrencyDump")
        if callable(self._before):
            self._before(number, frame)

    def _dump(self) -> None:
        try:
            self._write(sys.stderr)
            sys.stderr.flush()
        except Exception:  # a signal handler must not raise into the code that it interrupts
            _logger.exception("The dump on %s failed.", self._name)
