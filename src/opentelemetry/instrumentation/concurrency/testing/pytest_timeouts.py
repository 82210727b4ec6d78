"""On a test timeout: a dump of every task and thread, those alike together, before pytest-timeout ends the test.

pytest-timeout has no hook for that moment; its own dump is one function that both of its methods call, the signal and
the thread. Ours stands in front of it while a run is checked. Where that function is missing nothing is dumped.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from .leak import living_text
from .recording import recording


class TimeoutDumps:
    """Puts the dump in and takes it out, and adds it to the report of the test."""

    def __init__(self) -> None:
        self._text = ""
        self._original: Callable[..., Any] | None = None
        self._module: Any = None

    def install(self) -> None:
        """Stand in front of pytest-timeout's dump, if the plugin is loaded."""
        module = sys.modules.get("pytest_timeout")
        original = getattr(module, "dump_stacks", None)
        if self._original is None and callable(original):
            self._module, self._original = module, original
            module.dump_stacks = self._dump  # type: ignore[union-attr]

    def uninstall(self) -> None:
        """Give pytest-timeout its own function back."""
        if self._original is not None:
            self._module.dump_stacks, self._original = self._original, None

    def add_to(self, report: Any) -> None:
        """Add the dump to the report of the phase that timed out."""
        text, self._text = self._text, ""
        if text:
            report.sections.append(("Tasks and threads at the timeout", text))

    def _dump(self, *args: Any, **kwargs: Any) -> None:
        try:
            self._text = "\n".join(living_text(recording(), "at the timeout"))
            if threading.current_thread() is not threading.main_thread():
                # The thread method ends the process right after this: what is not written now is lost.
                sys.stderr.write(f"{self._text}\n")
        except Exception as error:  # noqa: BLE001 (the test has timed out already; that has to be said in any case)
            sys.stderr.write(f"The dump of tasks and threads failed: {error!r}\n")
        if self._original is not None:
            self._original(*args, **kwargs)
