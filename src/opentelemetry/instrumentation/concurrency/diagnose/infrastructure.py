"""Threads that belong to the machinery: counted and shown, never orphans.

One predicate a class, each with its reason.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Final

from ..record.threads import OWN_THREAD, executor_of
from .fields import attribute_or_default, attributes_of, thread_name
from .known_waits import type_module, type_name

_DEBUGGER_MARKS: Final = ("is_pydev_daemon_thread", "pydev_do_not_trace")


def is_main(thread: threading.Thread) -> bool:
    """The main thread ends with the process."""
    return thread is threading.main_thread()


def is_ours(thread: threading.Thread) -> bool:
    """The census is no leak of the application's."""
    return attributes_of(thread).get(OWN_THREAD) is True


def is_telemetry(thread: threading.Thread) -> bool:
    """The OpenTelemetry SDK's processors and readers live as long as their provider."""
    return thread_name(thread).startswith("Otel") and _target_module(thread).startswith("opentelemetry.")


def is_debugger(thread: threading.Thread) -> bool:
    """Debuggers and notebooks mark their threads for everybody who lists threads."""
    return any(attribute_or_default(thread, name) is True for name in _DEBUGGER_MARKS)


def is_pool_worker(thread: threading.Thread) -> bool:
    """An idle worker of a living executor waits for work; the executor, not its workers, would be the leak."""
    return executor_of(thread) is not None


def is_anyio_worker(thread: threading.Thread) -> bool:
    """Workers of anyio end by themselves after ten idle seconds."""
    return type_module(type(thread)).startswith("anyio.")


def is_child_watcher(thread: threading.Thread) -> bool:
    """The ThreadedChildWatcher of asyncio waits in ``waitpid`` for one child process."""
    return re.fullmatch(r"(asyncio-)?waitpid-\d+", thread_name(thread)) is not None


def is_dummy(thread: threading.Thread) -> bool:
    """A foreign thread that only asked for its name; on ≤ 3.12 its entry stays when the thread has ended."""
    return bool(type_name(type(thread)) == "_DummyThread")


def is_log_listener(thread: threading.Thread) -> bool:
    """`logging.handlers.QueueListener` runs until its ``stop()``, usually at exit."""
    return _target_module(thread) == "logging.handlers"


PREDICATES: Final[tuple[Callable[[threading.Thread], bool], ...]] = (
    is_main,
    is_ours,
    is_telemetry,
    is_debugger,
    is_pool_worker,
    is_anyio_worker,
    is_child_watcher,
    is_dummy,
    is_log_listener,
)


def is_infrastructure(thread: threading.Thread) -> bool:
    """Tell whether any class of machinery holds ``thread``."""
    return any(predicate(thread) for predicate in PREDICATES)


def _target_module(thread: threading.Thread) -> str:
    target = attributes_of(thread).get("_target")
    while type(target) is MethodType:
        target = target.__func__
    module = target.__module__ if issubclass(type(target), (FunctionType, BuiltinFunctionType)) else None
    return module if type(module) is str else ""
