"""Choice of the recorder of task creations: the compiled one where possible, otherwise the one in Python.

Both stand behind one interface, `TaskRecorder.make_hook`. The recorder in Python is the reference and the fallback.

- A free-threaded interpreter never imports the extension, which would enable the global lock again.
- An absent extension is normal: the pure wheel has none. One that is broken or was built for another version of this
  package causes one warning.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic
from typing import Final, Literal, NamedTuple

from ..own_log import own_logger
from ..version import __version__
from .creator import creator_span, current_thread_reference, raw_context
from .failure import HookFailure
from .internals.of_asyncio import current_task_lookup, registry_callback
from .interpreter import FREE_THREADED_BUILD
from .paths import Node
from .plain_creation import task_module_below
from .recorder_check import difference_from_python
from .site import Site
from .site_table import SiteTable
from .tasks import CreateTask, create_task_hook, own_code
from .young import YoungList

_logger = own_logger()

MakeHook = Callable[[CreateTask, SiteTable, YoungList, HookFailure], tuple[CreateTask, Callable[[], None]]]
EXTENSION: Final = f"{__name__.rpartition('.')[0]}._compiled"
SOURCES: Final = "79ca656e"
"""Digest of the C sources, as `hatch_build.py` computes it."""
INTERFACE: Final = f"{__version__}/{SOURCES}"
"""Version of the extension that this package can use."""


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
        return _python_recorder(found.reason, is_warning=found.is_fault or wanted == "compiled")


def checked_recorder(recorder: TaskRecorder) -> TaskRecorder:
    """Return the recorder, or the one in Python, with one warning, if its self-check fails. Imports asyncio."""
    if recorder.name == "python":
        return recorder
    try:
        difference = difference_from_python(recorder.make_hook)
    except Exception as error:  # noqa: BLE001 (whatever the extension raises, the application must start)
        difference = repr(error)
    if difference is None:
        return recorder
    return _python_recorder(f"its self-check failed: {difference}", is_warning=True)


def _python_recorder(reason: str, *, is_warning: bool) -> TaskRecorder:
    if is_warning:
        _logger.warning(
            "The compiled recorder is not used because %s. Tasks are recorded by the Python recorder, at a higher cost "
            "per task.",
            reason,
        )
    return TaskRecorder("python", create_task_hook, reason)


def _load_extension() -> MakeHook:
    if FREE_THREADED_BUILD:
        raise _Unusable("this Python is free-threaded", is_fault=False)
    try:
        extension = importlib.import_module(EXTENSION)
    except ModuleNotFoundError as error:
        if error.name == EXTENSION:
            raise _Unusable("this installation has no compiled recorder for this Python", is_fault=False) from error
        raise _Unusable(f"it cannot be loaded ({error})", is_fault=True) from error
    except Exception as error:  # a broken extension may raise anything
        raise _Unusable(f"it cannot be loaded ({error})", is_fault=True) from error
    built_for = getattr(extension, "INTERFACE", "unknown")
    if built_for != INTERFACE:
        raise _Unusable(
            f"it was built for interface {built_for}, but this package has {INTERFACE}; reinstall the package",
            is_fault=True,
        )
    build = extension.create_task_hook

    def make_hook(
        create: CreateTask, table: SiteTable, young: YoungList, failure: HookFailure
    ) -> tuple[CreateTask, Callable[[], None]]:
        young.living = extension.living
        hook = build(_Parts(create, table, young, failure))
        return hook, hook.disarm

    return make_hook


class _Parts:
    """The objects that the compiled hook refers to, which reads each attribute once.

    Args:
        create: The method being replaced.
        table: The sites of tasks.
        young: The list that receives the entries.
        failure: Called when the hook raises.
    """

    def __init__(self, create: CreateTask, table: SiteTable, young: YoungList, failure: HookFailure) -> None:
        self.create, self.failure = create, failure
        self.tasks = task_module_below(create)
        self.guesses, self.find, self.capture_stack = table.guesses, table.find, table.capture_stack
        self.young, self.entries, self.prune = young, young.entries, young.prune
        self.node_type, self.site_type = Node, Site
        self.creator_span, self.thread_reference, self.monotonic = creator_span, current_thread_reference, monotonic
        lookup = current_task_lookup()
        running = getattr(lookup, "__self__", None)
        self.current_task = running if type(running) is dict else lookup
        context, self.span_key = raw_context()
        variable = getattr(context, "__self__", None)
        self.context = variable if type(variable) is ContextVar else context
        code = own_code("create_task")
        self.plumbing = "" if code is None else code.co_filename
        self.registry_callback = registry_callback()
