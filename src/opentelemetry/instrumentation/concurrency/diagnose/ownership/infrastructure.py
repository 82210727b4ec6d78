"""Infrastructure threads: counted and shown, but never orphans.

Each class of threads has one predicate, with its reason.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Final

from ...record.internals.of_threading import is_dummy_type, target_field
from ...record.threads import executor_of, is_own_thread
from ..introspection.fields import attribute_or_default, thread_name
from ..introspection.known_waits import type_module

_DEBUGGER_MARKS: Final = ("is_pydev_daemon_thread", "pydev_do_not_trace")


def is_main(thread: threading.Thread) -> bool:
    """Return whether a thread is the main thread, which ends with the process."""
    return thread is threading.main_thread()


def is_ours(thread: threading.Thread) -> bool:
    """Return whether a thread belongs to this package and is therefore not a leak of the application."""
    return is_own_thread(thread)


def is_telemetry(thread: threading.Thread) -> bool:
    """Return whether a thread is a processor or reader of the OpenTelemetry SDK, which lives as long as its provider.

    A process has one or a few providers. More than `MOST_SDK_THREADS` threads at one site are a leak of providers.
    """
    return thread_name(thread).startswith("Otel") and _target_module(thread).startswith("opentelemetry.")


def is_debugger(thread: threading.Thread) -> bool:
    """Return whether a thread has an attribute by which debuggers and notebooks exclude threads from listings."""
    return any(attribute_or_default(thread, name) is True for name in _DEBUGGER_MARKS)


def is_pool_worker(thread: threading.Thread) -> bool:
    """Return whether a thread works for a live executor; if so, only the executor could be the leak."""
    return executor_of(thread) is not None


def is_anyio_worker(thread: threading.Thread) -> bool:
    """Return whether a thread is a worker of anyio, which ends after ten idle seconds."""
    return type_module(type(thread)).startswith("anyio.")


def is_child_watcher(thread: threading.Thread) -> bool:
    """Return whether a thread is asyncio's ThreadedChildWatcher, which waits in ``waitpid`` for one child process."""
    return re.fullmatch(r"(asyncio-)?waitpid-\d+", thread_name(thread)) is not None


def is_dummy(thread: threading.Thread) -> bool:
    """Return whether a thread is a placeholder for a foreign thread, which on ≤ 3.12 remains after its end."""
    return is_dummy_type(type(thread))


def is_log_listener(thread: threading.Thread) -> bool:
    """Return whether a thread is a `logging.handlers.QueueListener`, which runs until its ``stop()``, often at exit."""
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
    """Return whether any predicate holds for ``thread``."""
    return any(predicate(thread) for predicate in PREDICATES)


def _target_module(thread: threading.Thread) -> str:
    target = target_field(thread)
    while type(target) is MethodType:
        target = target.__func__
    module = target.__module__ if issubclass(type(target), (FunctionType, BuiltinFunctionType)) else None
    return module if type(module) is str else ""
