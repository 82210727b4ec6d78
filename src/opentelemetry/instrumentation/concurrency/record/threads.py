"""Hooks on threads and executors that record their creation sites."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MethodType
from typing import Any, Final
from weakref import ReferenceType, WeakKeyDictionary, ref

from .creator import creator_span, raw_context
from .failure import HookFailure
from .internals.of_futures import is_worker, workers_of
from .internals.of_threading import (
    ARGUMENTS,
    TARGET,
    attributes_of_thread,
    known_thread_types,
    main_is_initial,
    name_field,
)
from .jobs import creator_outside_loops
from .long_lived import EVER_DECLARED, note_thread
from .paths import follow
from .plumbing import is_plumbing
from .raw_fields import attributes_of, items_within, type_dict, type_mro
from .site import Site
from .site_table import SiteTable
from .started import code_of, is_unstarted
from .young import YoungList

OWN_THREAD: Final = "_otel_concurrency_own"
"""Set on the package's own threads: counted, never recorded as the application's, never orphans."""
OWN_SITE: Final = "opentelemetry.instrumentation.concurrency"
SDK_SITE: Final = "opentelemetry.sdk"
MAIN_SITE: Final = "threading.MainThread"
MACHINERY_SITES: Final = frozenset({OWN_SITE, SDK_SITE, MAIN_SITE})
"""Names of the sites whose threads are never orphans: this package's, the SDK's, the main thread."""
MOST_SDK_THREADS: Final = 10
"""Maximum number of SDK threads that share the SDK's site and are never orphans; further ones belong to the line that
starts them, where the same number is tolerated. A process has one or a few providers; one per request is a leak."""

_MAX_WRAPPERS: Final = 100

Disarm = Callable[[], None]


def is_own_site(site: Site) -> bool:
    """Return whether a site is that of this package's own threads."""
    return any(name == OWN_SITE or name.startswith(f"{OWN_SITE}.") for name in (site.function, site.runs))


def thread_is_finished(thread: threading.Thread) -> bool:
    """Return whether a started thread has ended. Never blocks."""
    if thread is threading.main_thread() and not main_is_initial():
        # This process was forked from this thread. Once the thread has ended, `is_alive` on Python ≥ 3.14 joins the
        # initial thread of the process, which cannot be joined: the call never returns.
        return not any(thread is each for each in threading.enumerate())
    # Calls the base class's method, because a derived class may override it.
    known = known_thread_types()
    for base in type.__dict__["__mro__"].__get__(type(thread)):
        if any(base is known_type for known_type in known):
            return not base.is_alive(thread)
    return not thread.is_alive()


def thread_start_hook(
    wrapped: Callable[..., None],
    table: SiteTable,
    young: YoungList,
    executor_sites: WeakKeyDictionary[Any, Site],
    failure: HookFailure,
    on_record: Callable[[], None],
    site_of_running_task: Callable[[], Site | None] = lambda: None,
) -> tuple[Callable[..., None], Disarm]:
    """Build the replacement of `threading.Thread.start`. Takes no lock: at-fork hooks of other packages start threads.

    Args:
        wrapped: The method being replaced.
        table: The sites of threads.
        young: The list that receives the entries.
        executor_sites: The sites of executors; a worker belongs to its executor's site.
        failure: Called when the hook raises.
        on_record: Called when a site is new, or seen again after a fork, once its thread has started. It starts a
            thread of this package, so the application's thread must come first in case only one more is allowed.
        site_of_running_task: Returns the site of the running task, or None; for threads that only plumbing starts.

    Returns:
        The replacement, and a function that permanently disables the hook in it.
    """
    getframe = sys._getframe
    guesses = table.guesses.get
    entries = young.entries
    creator_of = creator_outside_loops
    context, span_key = raw_context()
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    def start(self: threading.Thread) -> None:
        nonlocal entries
        # Most work precedes the start: after the switch to the new thread, caches are cold and each step costs more.
        entry = None
        is_known = True
        try:
            if armed:
                frame = getframe(1)
                code = _code_of_target(self)
                node = None if code is None else guesses(frame.f_lasti + id(code))
                known = None
                if node is not None and node.code is frame.f_code and node.started is code:
                    known = node.site or follow(node, frame)
                is_known = known is not None
                site = (
                    known
                    or _executor_site(self, executor_sites)
                    or _find_site(self, frame, table, site_of_running_task)
                )
                found = context()
                span = found.get(span_key) if found else None
                made_in = None if span is None else creator_span(span)
                entry = (ref(self), site, monotonic(), creator_of(frame), made_in, id(self))
                if EVER_DECLARED:
                    note_thread(self)
        except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
            failure(error, disarm)
        wrapped(self)
        if entry is not None:
            try:
                left = site.samples_until_stack = site.samples_until_stack - 1
                if left <= 0:
                    table.capture_stack(site, frame, entry[2], self)
                entries += entry
                if len(entries) > young.limit:
                    young.prune()
                if not is_known and site.function != SDK_SITE:
                    on_record()
            except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
                failure(error, disarm)

    return start, disarm


def start_unseen(thread: threading.Thread) -> None:
    """Start a thread of this package without any wrapper, so that the hook does not see it. Raises like ``start``."""
    start: Any = threading.Thread.start
    for _ in range(_MAX_WRAPPERS):
        below = getattr(start, "__wrapped__", None)
        if below is None:
            break
        start = below
    start(thread)


def executor_init_hook(
    init: Callable[..., None],
    table: SiteTable,
    executor_sites: WeakKeyDictionary[Any, Site],
    failure: HookFailure,
    site_of_running_task: Callable[[], Site | None] = lambda: None,
) -> tuple[Callable[..., None], Disarm]:
    """Build the replacement of `ThreadPoolExecutor.__init__`, which records the executor's creation site.

    Args:
        init: The method being replaced.
        table: The sites of threads.
        executor_sites: The sites of executors; filled by the hook.
        failure: Called when the hook raises.
        site_of_running_task: Returns the site of the running task, or None. asyncio creates the default executor, often
            in a task that asyncio started (``wait_for(to_thread(…))``).
    """
    getframe = sys._getframe
    worker = init.__globals__.get("_worker")
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    def init_executor(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        try:
            if armed:
                site = table.find(getframe(1), self, target=worker)
                if site.lasti < 0 and (task_site := site_of_running_task()) is not None:
                    site = table.at_line_of(task_site, worker)
                site.executor = True
                executor_sites[self] = site
        except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
            failure(error, disarm)

    return init_executor, disarm


def is_own_thread(thread: threading.Thread) -> bool:
    """Return whether a thread belongs to this package; no code of the thread's class runs."""
    return attributes_of(thread).get(OWN_THREAD) is True


def machinery_site(thread: threading.Thread) -> str:
    """Return the name of the shared site of this package's threads, the SDK's or the main one; "" for other threads."""
    if thread is threading.main_thread():
        return MAIN_SITE
    if is_own_thread(thread):
        return OWN_SITE
    name = name_field(thread)
    is_telemetry = type(name) is str and name.startswith("Otel")
    return SDK_SITE if is_telemetry and code_of(target_of(thread))[1].startswith("opentelemetry.") else ""


def executor_of(thread: threading.Thread) -> Any | None:
    """Return the live `ThreadPoolExecutor` that ``thread`` works for, or None.

    The worker's arguments differ between 3.10 and 3.15, but always include a weak reference to the executor. Copies of
    the class that start their own workers, such as distributed's, pass the executor itself.
    """
    futures = sys.modules.get("concurrent.futures.thread")
    # A thread whose class defines its own hash is not a worker, and hashing it would run code of the application.
    if futures is None or not _is_hashed_by_identity(type(thread)):
        return None
    arguments = getattr(thread, ARGUMENTS, ()) or ()
    if not is_worker(thread):
        return next((each for each in arguments if _employs(each, thread)), None)
    for argument in arguments:
        if issubclass(type(argument), ReferenceType):
            found = argument()
            if issubclass(type(found), futures.ThreadPoolExecutor):
                return found
    return None


def _employs(found: object, thread: threading.Thread) -> bool:
    """Return whether an object is an executor, by the name of its class, with ``thread`` among its workers."""
    if not any(kind.__name__ == "ThreadPoolExecutor" for kind in type_mro(type(found))):
        return False
    return thread in workers_of(found)


def _is_hashed_by_identity(kind: type) -> bool:
    return type.__getattribute__(kind, "__hash__") is object.__hash__


def _executor_site(thread: threading.Thread, executor_sites: WeakKeyDictionary[Any, Site]) -> Site | None:
    attributes = attributes_of(thread)
    target, arguments = attributes.get(TARGET), attributes.get(ARGUMENTS)
    if type(target) is not FunctionType or not _is_of_executors(target) or type(arguments) is not tuple:
        return None
    for argument in arguments:
        if issubclass(type(argument), ReferenceType):
            executor = argument()
            site = executor_sites.get(executor) if executor is not None else None
            if site is not None:
                return site
    return None


def _find_site(
    thread: threading.Thread,
    frame: FrameType,
    table: SiteTable,
    site_of_running_task: Callable[[], Site | None],
) -> Site:
    name = machinery_site(thread)
    if name and (name != SDK_SITE or table.named(name).created < MOST_SDK_THREADS):
        return table.named(name)
    target = target_of(thread)
    site = table.find(frame, thread, target=target)
    if site.code is not None and site.lasti < 0 and (task_site := site_of_running_task()) is not None:
        return table.at_line_of(task_site, target)
    return site


def _code_of_target(thread: threading.Thread) -> CodeType | None:
    """Return the code of the plain function or method that a thread runs; None for other targets and pool workers."""
    target = attributes_of_thread(thread).get(TARGET)
    if type(target) is MethodType:
        target = target.__func__
    if type(target) is not FunctionType or _is_of_executors(target):
        return None
    return target.__code__


def _is_of_executors(function: FunctionType) -> bool:
    return type(function.__module__) is str and function.__module__ == "concurrent.futures.thread"


def target_of(thread: threading.Thread) -> Any:
    """Return the callable that a thread runs: its target, a timer's function, or the ``run`` method of its class.

    For a target of plumbing, return the coroutine that was passed to it, unless that has started.
    """
    attributes = attributes_of(thread)
    target = attributes.get(TARGET)
    if type(target) is BuiltinMethodType and target.__name__ == "run" and type(target.__self__) is Context:
        # The target of context.run is its first argument.
        given = attributes.get(ARGUMENTS)
        target = given[0] if type(given) is tuple and given else target
    elif is_plumbing(code_of(target)[1]):
        # ``Thread(target=asyncio.run, args=(coroutine,))`` runs the coroutine.
        target = next((each for each in items_within(attributes.get(ARGUMENTS)) if is_unstarted(each)), target)
    if target is None:
        base = next((each for each in type_mro(type(thread)) if "run" in type_dict(each)), threading.Thread)
        # Determined by the class rather than the function: instrumentations wrap the timer's function.
        target = attributes.get("function") if base is threading.Timer else None
        target = type_dict(base).get("run") if target is None else target
    return target
