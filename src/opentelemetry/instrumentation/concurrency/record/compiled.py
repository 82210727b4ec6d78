"""Choice of the recorder of task creations: the compiled one where possible, otherwise the one in Python.

Both stand behind one interface, `TaskRecorder.make_hook`. The recorder in Python is the reference and the fallback.

- A free-threaded interpreter never imports the extension, which would enable the global lock again.
- An absent extension is normal: the pure wheel has none. One that is broken or was built for another version of this
  package causes one warning.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from ..own_log import own_logger
from ..version import __version__
from .failure import HookFailure
from .interpreter import FREE_THREADED_BUILD
from .site_table import SiteTable
from .tasks import create_task_hook
from .young import YoungList

_logger = own_logger()

MakeHook = Callable[
    [Callable[..., Any], SiteTable, YoungList, HookFailure], tuple[Callable[..., Any], Callable[[], None]]
]
EXTENSION: Final = f"{__name__.rpartition('.')[0]}._compiled"
INTERFACE: Final = f"{__version__}/1"
"""Identifies the version of the interface between this package and the extension. The number rises with each change."""


class TaskRecorder(NamedTuple):
    """A recorder of task creations.

    Attributes:
        name: Which one it is.
        make_hook: Builds the replacement of a loop class's ``create_task``, as `create_task_hook` does.
        reason: Why it was chosen although the compiled one is preferred; empty otherwise.
    """

    name: Literal["compiled", "python"]
    make_hook: MakeHook
    reason: str = ""


class _Unusable(Exception):  # noqa: N818 (it becomes a warning)
    """Why the compiled recorder cannot be used.

    Args:
        reason: The reason, as part of a sentence.
        is_fault: Whether the installation is broken, which causes a warning whatever the setting.
    """

    def __init__(self, reason: str, *, is_fault: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_fault = is_fault


def choose_recorder(wanted: str) -> TaskRecorder:
    """Return the recorder for this process. Never raises; logs one warning if the wanted one is impossible.

    Args:
        wanted: The setting ``RECORDER``.
    """
    if wanted == "python":
        return TaskRecorder("python", create_task_hook, "OTEL_PYTHON_CONCURRENCY_RECORDER=python")
    try:
        return TaskRecorder("compiled", _load_extension())
    except _Unusable as found:
        if found.is_fault or wanted == "compiled":
            _logger.warning(
                "The compiled recorder is not used because %s. Tasks are recorded by the Python recorder, at a higher "
                "cost per task.",
                found.reason,
            )
        return TaskRecorder("python", create_task_hook, found.reason)


def _load_extension() -> MakeHook:
    if FREE_THREADED_BUILD:
        raise _Unusable("this Python is free-threaded", is_fault=False)
    try:
        extension = importlib.import_module(EXTENSION)
    except ModuleNotFoundError as error:
        if error.name == EXTENSION:
            raise _Unusable("this installation has none for this Python", is_fault=False) from error
        raise _Unusable(f"it cannot be loaded ({error})", is_fault=True) from error
    except Exception as error:  # a broken extension may raise anything
        raise _Unusable(f"it cannot be loaded ({error})", is_fault=True) from error
    built_for = getattr(extension, "INTERFACE", "unknown")
    if built_for != INTERFACE:
        raise _Unusable(
            f"it was built for interface {built_for}, but this package has {INTERFACE}; reinstall the package",
            is_fault=True,
        )
    make_hook: MakeHook = extension.create_task_hook
    return make_hook
