"""The hooks on threads and executors: which line started a thread, which line made the executor that started it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from weakref import ReferenceType, WeakKeyDictionary, ref

from .creator import creator_span, current_creator, raw_context
from .failure import HookFailure
from .long_lived import EVER_DECLARED, note_thread
from .site import Site, SiteTable
from .young import YoungList

OWN_THREAD: Final = "_otel_concurrency_own"
"""Set on our own threads: counted, never recorded as the application's, never orphans."""

_MAX_WRAPPERS: Final = 100

Disarm = Callable[[], None]


def thread_is_gone(thread: threading.Thread) -> bool:
    """Tell whether a started thread has ended. Never blocks."""
    if thread is threading.main_thread() and type(thread) is not threading._MainThread:  # type: ignore[attr-defined]
        # A child was forked from this thread. Once it has ended, Python >= 3.14 joins the initial thread of the
        # process to tell so, and that one can't be joined: `is_alive` never returns.
        return not any(thread is each for each in threading.enumerate())
    # Asked of the class that knows, not of one that the application derived from it.
    known = (threading.Thread, threading._DummyThread)
    for base in type.__dict__["__mro__"].__get__(type(thread)):
        if any(base is each for each in known):
            return not base.is_alive(thread)
    return not thread.is_alive()


def thread_start_hook(
    wrapped: Callable[..., None],
    table: SiteTable,
    young: YoungList,
    executor_sites: WeakKeyDictionary[Any, Site],
    failure: HookFailure,
    on_record: Callable[[], None],
) -> tuple[Callable[..., None], Disarm]:
    """Build the replacement of `threading.Thread.start`. Takes no lock: at-fork hooks of others start threads.

    Args:
        wrapped: The method being replaced.
        table: The sites of threads.
        young: Where the entries go.
        executor_sites: Where executors were made; a worker belongs to its executor's site.
        failure: Told when the hook raises.
        on_record: Called when a line is met for the first time or again after a fork, once its thread has started. It
            starts a thread of ours: the application's comes first, also where there is but one more to be had.

    Returns:
        The replacement, and a function that makes it pass through for good.
    """
    getframe = sys._getframe
    lines_by_code = table.lines_by_code
    entries = young.entries
    creator = current_creator
    context, span_key = raw_context()
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    def start(self: threading.Thread) -> None:
        nonlocal entries
        # Most is done before the start: after the switch to the new thread caches are cold and each step costs more.
        entry = None
        is_known = True
        try:
            if armed:
                frame = getframe(1)
                try:
                    # Executors start their workers from plumbing, which has no lines.
                    site = lines_by_code[id(frame.f_code)][frame.f_lasti]  # type: ignore[index]
                except (KeyError, TypeError):
                    is_known = False
                    site = _executor_site(self, executor_sites) or _thread_site(table, frame, self)
                found = context()
                span = found.get(span_key) if found else None
                made_in = None if span is None else creator_span(span)
                entry = (ref(self), site, monotonic(), creator(), made_in, id(self))
                if EVER_DECLARED:
                    note_thread(self)
        except Exception as error:  # noqa: BLE001 (nothing of ours may reach the application)
            failure(error, disarm)
        wrapped(self)
        if entry is not None:
            try:
                left = site.until_stack = site.until_stack - 1
                if left <= 0:
                    table.capture_stack(site, frame, entry[2], self)
                entries += entry
                if len(entries) > young.limit:
                    young.prune()
                if not is_known:
                    on_record()
            except Exception as error:  # noqa: BLE001 (nothing of ours may reach the application)
                failure(error, disarm)

    return start, disarm


def start_unseen(thread: threading.Thread) -> None:
    """Start a thread of ours past every wrapper, so that the hook needs no look at whose it is. Raises as ``start``."""
    start: Any = threading.Thread.start
    for _ in range(_MAX_WRAPPERS):
        below = getattr(start, "__wrapped__", None)
        if below is None:
            break
        start = below
    start(thread)


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
    # No worker has a hash of its own, which would be asked.
    if futures is None or not _is_hashed_by_identity(type(thread)) or thread not in futures._threads_queues:
        return None
    for argument in getattr(thread, "_args", ()) or ():
        if issubclass(type(argument), ReferenceType):
            found = argument()
            if issubclass(type(found), futures.ThreadPoolExecutor):
                return found
    return None


def _is_hashed_by_identity(kind: type) -> bool:
    return type.__getattribute__(kind, "__hash__") is object.__hash__


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
    try:
        # A proxy of nothing yet may raise from any question; it will be asked for this one.
        getattr(target, "__code__", None)
    except Exception:  # noqa: BLE001 (what is observed may raise whatever it likes)
        target = None
    return target if target is not None else type(thread).run
