"""Known infrastructure that outlives tests without being a leak.

The rules inspect the task or thread itself, before its stack is described, so that infrastructure costs a check little.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..diagnose.ownership.infrastructure import (
    is_anyio_worker,
    is_child_watcher,
    is_debugger,
    is_dummy,
    is_log_listener,
    is_main,
    is_ours,
    is_telemetry,
)
from ..record.internals.of_futures import queued_calls
from ..record.internals.of_threading import target_field
from ..record.long_lived import declared_function, declared_task, declared_thread
from ..record.plumbing import is_plumbing
from ..record.threads import executor_of
from .leftover import Leftover
from .sessions import is_kept_for_the_process

_ANYIO_PROCESS_POOL: Final = "_shutdown_process_pool_on_exit"
_JUPYTER_RUNNER: Final = "jupyter_core.utils._TaskRunner.run"
_IDLE_MODULES: Final = frozenset({"queue", "selectors", "weakref"})
_RUNNER_COROUTINES: Final = (
    "TestRunner._run_tests_and_fixtures",
    "IsolatedAsyncioTestCase._asyncioLoopRunner",
)


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A class of infrastructure.

    Attributes:
        name: The name in messages.
        reason: Why it is not a leak.
        holds: Returns whether an object (second argument) belongs to the class.
    """

    name: str
    reason: str
    holds: Callable[[Leftover, Any], bool]


def is_known(one: Leftover, rules: tuple[KnownRule, ...]) -> bool:
    """Return whether a leftover belongs to one of ``rules``, or has just ended."""
    found = one.reference()
    return found is None or any(rule.holds(one, found) for rule in rules)


def _thread_rule(name: str, reason: str, predicate: Callable[[threading.Thread], bool]) -> KnownRule:
    return KnownRule(name, reason, lambda one, found: one.kind == "thread" and predicate(found))


def _is_idle_pool_worker(thread: threading.Thread) -> bool:
    executor = executor_of(thread)
    # A worker that has just been started has not taken its work item yet.
    return executor is not None and not queued_calls(executor) and not _does_work(thread)


def _is_idle_anyio_worker(thread: threading.Thread) -> bool:
    unfinished = getattr(getattr(thread, "queue", None), "unfinished_tasks", 0)
    return is_anyio_worker(thread) and not unfinished and not _does_work(thread)


def _started_in(one: Leftover) -> str:
    """Return the innermost function of the creation, which is the infrastructure's; the site is the application's."""
    return one.site.spawning.line.function


def _is_idle_trio_worker(one: Leftover, found: Any) -> bool:
    if one.kind != "thread" or not _started_in(one).startswith("trio._core._thread_cache."):
        return False
    frame = sys._current_frames().get(found.ident or 0)
    while frame is not None and frame.f_code.co_name != "_handle_job":
        frame = frame.f_back
    return frame is None


def _is_jupyter_runner(one: Leftover, found: Any) -> bool:
    if one.kind != "thread" or _started_in(one) != _JUPYTER_RUNNER:
        return False
    owner = found.name.removesuffix(" - runner")
    return any(thread.name == owner for thread in threading.enumerate())


def _is_zmq_garbage_collector(thread: threading.Thread) -> bool:
    return type(thread).__module__ == "zmq.utils.garbage"


def _does_work(thread: threading.Thread) -> bool:
    """Return whether a worker runs a work item, or anything else outside the infrastructure."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if module == "concurrent.futures.thread" and frame.f_code.co_name == "run":
            return True
        if not is_plumbing(module) and module not in _IDLE_MODULES:
            return True
        frame = frame.f_back
    return False


def _is_generator_closing(one: Leftover, found: Any) -> bool:
    return one.kind == "task" and type(found.get_coro()).__name__ == "async_generator_athrow"


def _is_runner_task(one: Leftover, found: Any) -> bool:
    return one.kind == "task" and _runs(one, found, _RUNNER_COROUTINES)


def _is_anyio_process_pool(one: Leftover, found: Any) -> bool:
    return one.kind == "task" and _runs(one, found, _ANYIO_PROCESS_POOL)


def _runs(one: Leftover, task: Any, endings: str | tuple[str, ...]) -> bool:
    """Return whether a task runs one of these functions, directly or in an instrumentation's wrapper coroutine."""
    name = getattr(task.get_coro(), "__qualname__", "")
    return one.site.runs.endswith(endings) or (isinstance(name, str) and name.endswith(endings))


def _is_runner_thread(one: Leftover, found: Any) -> bool:
    starts = ("pytest_timeout.", "execnet.", "xdist.")
    return one.kind == "thread" and (_started_in(one).startswith(starts) or found.name.startswith("pytest_timeout "))


def _is_executor_shutdown(thread: threading.Thread) -> bool:
    return getattr(target_field(thread), "__name__", "") == "_do_shutdown"


def _is_declared(one: Leftover, found: Any) -> bool:
    if one.kind == "task":
        return declared_task(found, one.creator) is not None
    if one.kind == "thread":
        return declared_thread(found) is not None
    return declared_function(one.site.runs) is not None


def _is_kept_session(one: Leftover, found: Any) -> bool:
    return one.kind == "session" and is_kept_for_the_process(found)


KNOWN_RULES: Final = (
    _thread_rule("main_thread", "it ends with the process", is_main),
    _thread_rule("own_threads", "the census of this package", is_ours),
    _thread_rule("telemetry", "threads of the OpenTelemetry SDK live as long as their provider", is_telemetry),
    _thread_rule("debugger", "debuggers mark their threads for programs that list threads", is_debugger),
    _thread_rule(
        "idle_pool_worker",
        "an idle worker of a live executor waits for work; a busy one is a leak",
        _is_idle_pool_worker,
    ),
    _thread_rule(
        "idle_anyio_worker",
        "it ends by itself after ten idle seconds",
        _is_idle_anyio_worker,
    ),
    KnownRule("idle_trio_worker", "it ends by itself after ten idle seconds", _is_idle_trio_worker),
    _thread_rule("executor_shutdown", "asyncio's own, while a default executor shuts down", _is_executor_shutdown),
    _thread_rule("child_watcher", "asyncio's own, waits for one child process", is_child_watcher),
    _thread_rule("foreign_thread", "a thread of C code that requested its name; it was not started here", is_dummy),
    _thread_rule("log_listener", "it runs until its stop(), usually at exit", is_log_listener),
    KnownRule(
        "jupyter_runner",
        "one per thread, kept for the process; that of a thread that has ended is a leak",
        _is_jupyter_runner,
    ),
    _thread_rule("zmq_garbage_collector", "pyzmq's own, one per process, ends at exit", _is_zmq_garbage_collector),
    KnownRule(
        "anyio_process_pool", "it sleeps until its loop ends, and then ends the idle processes", _is_anyio_process_pool
    ),
    KnownRule("test_runner_thread", "pytest-timeout and pytest-xdist", _is_runner_thread),
    KnownRule("test_runner_task", "anyio's and unittest's runners live as long as their loop", _is_runner_task),
    KnownRule("generator_closing", "asyncio's own, closes an asynchronous generator", _is_generator_closing),
    KnownRule(
        "kept_session",
        "one that a module variable, a class attribute or lru_cache holds is for the whole process",
        _is_kept_session,
    ),
    KnownRule("long_lived", "declared with long_lived(reason)", _is_declared),
)
"""All known infrastructure; ``check_leaks(known=…)`` takes any part of it."""
