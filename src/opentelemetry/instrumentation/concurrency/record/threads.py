"""The hooks on threads and executors: which line started a thread, which line made the executor that started it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from weakref import ReferenceType, WeakKeyDictionary, ref

from .creator import creator_span, current_thread_reference, raw_context
from .failure import HookFailure
from .site import Site, SiteTable
from .young import YoungList

OWN_THREAD: Final = "_otel_concurrency_own"
"""Set on our own threads: counted, never recorded as the application's, never orphans."""

Disarm = Callable[[], None]


def thread_is_gone(thread: threading.Thread) -> bool:
    """Tell whether a started thread has ended."""
    return not thread.is_alive()


def thread_start_hook(
    wrapped: Callable[..., None],
    table: SiteTable,
    young: YoungList,
    executor_sites: WeakKeyDictionary[Any, Site],
    failure: HookFailure,
) -> tuple[Callable[..., None], Disarm]:
    """Build the replacement of `threading.Thread.start`. Takes no lock: at-fork hooks of others start threads.

    Args:
        wrapped: The method being replaced.
        table: The sites of threads.
        young: Where the entries go.
        executor_sites: Where executors were made; a worker belongs to its executor's site.
        failure: Told when the hook raises.

    Returns:
        The replacement, and a function that makes it pass through for good.
    """
    getframe = sys._getframe
    context, span_key = raw_context()
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    def start(self: threading.Thread) -> None:
        wrapped(self)
        try:
            if not armed or getattr(self, OWN_THREAD, False):
                return
            site = _executor_site(self, executor_sites) or _thread_site(table, getframe(1), self)
            now = monotonic()
            site.created += 1
            if site.created >= site.next_stack:
                table.capture_stack(site, getframe(1), now)
            span = context().get(span_key)
            young.entries.append((ref(self), site, now, _creator(), span and creator_span(span)))
            if len(young.entries) > young.limit:
                young.prune()
        except Exception as error:  # noqa: BLE001 (nothing of ours may reach the application)
            failure(error, disarm)

    return start, disarm


def executor_init_hook(
    init: Callable[..., None], table: SiteTable, executor_sites: WeakKeyDictionary[Any, Site], failure: HookFailure
) -> tuple[Callable[..., None], Disarm]:
    """Build the replacement of `ThreadPoolExecutor.__init__`: remembers the line that made the executor."""
    getframe = sys._getframe
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    def init_executor(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        try:
            if armed:
                site = table.find(getframe(1), type(self))
                site.executor = True
                executor_sites[self] = site
        except Exception as error:  # noqa: BLE001 (nothing of ours may reach the application)
            failure(error, disarm)

    return init_executor, disarm


def executor_of(thread: threading.Thread) -> Any | None:
    """Return the living `ThreadPoolExecutor` that ``thread`` works for, or None.

    The worker's arguments differ between 3.10 and 3.15; a weak reference to the executor is among them in all.
    """
    futures = sys.modules.get("concurrent.futures.thread")
    if futures is None or thread not in futures._threads_queues:
        return None
    for argument in getattr(thread, "_args", ()) or ():
        if isinstance(argument, ReferenceType):
            found = argument()
            if isinstance(found, futures.ThreadPoolExecutor):
                return found
    return None


def _executor_site(thread: threading.Thread, executor_sites: WeakKeyDictionary[Any, Site]) -> Site | None:
    target = getattr(thread, "_target", None)
    if getattr(target, "__module__", None) != "concurrent.futures.thread":
        return None
    for argument in getattr(thread, "_args", ()) or ():
        if isinstance(argument, ReferenceType):
            executor = argument()
            site = executor_sites.get(executor) if executor is not None else None
            if site is not None:
                return site
    return None


def _thread_site(table: SiteTable, frame: Any, thread: threading.Thread) -> Site:
    try:
        lines = table.lines_by_code
        while (found := lines[id(frame.f_code)]) is None:
            frame = frame.f_back
        return found[frame.f_lasti]
    except (KeyError, AttributeError):
        return table.find(frame, target_of(thread))


def target_of(thread: threading.Thread) -> Any:
    """Return what a thread runs: its target, or the ``run`` method of its class."""
    target = getattr(thread, "_target", None)
    return target if target is not None else type(thread).run


def _creator() -> ReferenceType[Any] | None:
    # The running task, if there is one, created this thread; asyncio is not imported for the question.
    tasks = sys.modules.get("asyncio")
    if tasks is not None:
        loop = tasks._get_running_loop()
        if loop is not None:
            task = tasks.current_task(loop)
            if task is not None:
                return ref(task)
    return current_thread_reference()
