"""Dumps of all tasks and threads at a test timeout.

pytest-timeout has no hook for that moment. Both of its methods, the signal and the thread, call one function for their
own dump, which is replaced while a run is checked. Without that function there is no dump.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..leak import leak_of, leak_texts
from ..leftover import Leftover
from ..recording import recording


class TimeoutDumps:
    """Installs and removes the dump, and adds it to the report of the test."""

    def __init__(self) -> None:
        self._text = ""
        self._original: Callable[..., Any] | None = None
        self._module: Any = None

    def install(self) -> None:
        """Replace pytest-timeout's dump, if the plugin is loaded."""
        module = sys.modules.get("pytest_timeout")
        original = getattr(module, "dump_stacks", None)
        if self._original is None and callable(original):
            self._module, self._original = module, original
            module.dump_stacks = self._dump  # type: ignore[union-attr]  # a module with that function

    def uninstall(self) -> None:
        """Restore pytest-timeout's own function."""
        if self._original is not None:
            self._module.dump_stacks, self._original = self._original, None

    def add_to(self, report: Any) -> None:
        """Add the dump to the report of the phase that timed out."""
        text, self._text = self._text, ""
        if text:
            report.sections.append(("Tasks and threads at the timeout", text))

    def _dump(self, *args: Any, **kwargs: Any) -> None:
        try:
            self._text = "\n".join(_living_text(recording().everything()))
            if threading.current_thread() is not threading.main_thread():
                # The thread method ends the process right after this call, so the dump must be written now.
                sys.stderr.write(f"{self._text}\n")
        except Exception as error:  # noqa: BLE001 (the timeout must be reported in any case)
            sys.stderr.write(f"The dump of tasks and threads failed: {error!r}\n")
        if self._original is not None:
            self._original(*args, **kwargs)


def _living_text(everything: list[Leftover]) -> Iterator[str]:
    """Yield a dump of every live task and thread, in groups of similar ones, largest first."""
    me = threading.current_thread()
    # The watchdog's own thread is irrelevant; the main thread, interrupted by a signal, shows where the test hangs.
    living = [one for one in everything if one.reference() is not me or me is threading.main_thread()]
    tasks = sum(one.kind == "task" for one in living)
    yield f"at the timeout: {tasks} tasks and {len(living) - tasks} threads, similar ones grouped"
    yield from leak_texts(leak for one in living if (leak := leak_of(one)) is not None)
