"""Assumptions about the internals of `threading` and `concurrent.futures`. No thread is started."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import Any, Final

from ...record.greenlets import threads_are_greenlets
from ...record.internals.of_futures import (
    future_state,
    is_concurrent_future,
    newest_call,
    queued_calls,
    worker_limit,
    workers_of,
)
from ...record.internals.of_threading import (
    ACTIVE_THREADS,
    ARGUMENTS,
    KEYWORDS,
    active_threads,
    is_daemon,
    is_dummy_type,
    name_field,
    target_field,
)
from ...record.interpreter import FREE_THREADED
from ...record.raw_fields import attributes_of
from .assumption import Assumption, has_field, mentions, without_wrappers

_NAME: Final = "otel-concurrency-self-test"


def assumptions_on_threads() -> Iterable[Assumption]:
    """Yield the assumptions about threads, locks and executors; if threads are greenlets, only about calls."""
    for what, lost, holds in (
        ("_active", "threads are not recognized as creators, and the threads of loops are unknown", _active),
        ("_MainThread", "after a fork from another thread, this package's threads keep the child alive", _main_thread),
        ("_DummyThread", "placeholders of foreign threads may be reported as orphaned", _dummy),
        ("Thread._target", "threads have no function that they run", _target),
        ("Thread._args and _kwargs", "coroutines and functions passed to threads are not seen", _arguments),
        ("Thread._name and _daemonic", "names of threads are missing", _fields),
        ("Thread._ident and _native_id", "stacks of threads are missing", _identifiers),
        ("RLock._is_owned", "scans take longer", _owned),
    ):
        if not threads_are_greenlets():
            yield Assumption("threading", what, lost, holds)
    if "concurrent.futures.thread" in sys.modules:
        for what, lost, holds in (
            ("_threads_queues", "workers of executors may be reported as orphaned", _queues),
            ("ThreadPoolExecutor._threads, _max_workers and _work_queue", "stuck executors are not found", _executor),
            ("objects in queue.SimpleQueue", "the age of queued calls of executors is unknown", _newest_call),
            ("_WorkItem.future", "stuck executors are not found", _work_item),
            ("_worker", "the function that workers of executors run is unknown", _worker),
            ("Future._state", "the end of a call is not seen, so what it started is no orphan", _state),
        ):
            # The queues of gevent show nothing; greenlets get no verdict anyway.
            if holds not in (_executor, _newest_call) or not threads_are_greenlets():
                yield Assumption("concurrent.futures", what, lost, holds)


def _thread() -> threading.Thread:
    return threading.Thread(target=print, args=(1,), kwargs={"end": ""}, name=_NAME, daemon=True)


def _active() -> bool:
    known = active_threads()
    # The main thread of a process that was forked from another thread may have ended, and this one may be foreign.
    listed = threading.get_ident() in known or threading.main_thread() in known.values()
    return listed and ACTIVE_THREADS is known


def _main_thread() -> bool:
    return issubclass(threading._MainThread, threading.Thread)  # type: ignore[attr-defined]  # private


def _dummy() -> bool:
    dummy: type = threading._DummyThread
    return issubclass(dummy, threading.Thread) and is_dummy_type(dummy)


def _target() -> bool:
    return target_field(_thread()) is print


def _arguments() -> bool:
    attributes = attributes_of(_thread())
    return attributes.get(ARGUMENTS) == (1,) and attributes.get(KEYWORDS) == {"end": ""}


def _fields() -> bool:
    thread = _thread()
    return name_field(thread) == _NAME and is_daemon(thread)


def _identifiers() -> bool:
    thread = _thread()
    return has_field(thread, "_ident") and has_field(thread, "_native_id")


def _owned() -> bool:
    return callable(threading.RLock()._is_owned)  # type: ignore[attr-defined]  # private


def _queues() -> bool:
    return hasattr(sys.modules["concurrent.futures.thread"]._threads_queues, "keys")


def _executor() -> bool:
    kind: Any = sys.modules["concurrent.futures.thread"].ThreadPoolExecutor
    executor = kind.__new__(kind)
    # Without the hooks, so that it is not recorded.
    without_wrappers(kind.__init__)(executor, 3)
    fields = has_field(executor, "_threads") and workers_of(executor) == set()
    return fields and worker_limit(executor) == 3 and queued_calls(executor) == 0


def _newest_call() -> bool:
    kind: Any = sys.modules["concurrent.futures.thread"].ThreadPoolExecutor
    executor = kind.__new__(kind)
    without_wrappers(kind.__init__)(executor, 1)
    items = [_thread(), _thread(), _thread()]
    for item in items:
        executor._work_queue.put(item)
    executor._work_queue.get()
    newest = newest_call(executor, 2)
    return FREE_THREADED or (newest is not None and newest() is items[-1])


def _work_item() -> bool:
    return mentions(sys.modules["concurrent.futures.thread"]._WorkItem.__init__, "future")


def _worker() -> bool:
    return callable(sys.modules["concurrent.futures.thread"]._worker)


def _state() -> bool:
    future = sys.modules["concurrent.futures._base"].Future()
    was = future_state(future)
    future.cancel()
    return is_concurrent_future(type(future)) and (was, future_state(future)) == ("PENDING", "CANCELLED")
