"""Private names of `concurrent.futures`."""

from __future__ import annotations

import sys
import threading
from typing import Any

from ..raw_fields import attributes_of, type_mro


def is_concurrent_future(kind: type) -> bool:
    """Return whether a type is that of ``concurrent.futures.Future``, or derived from it. Imports nothing."""
    module = sys.modules.get("concurrent.futures._base")
    base = getattr(module, "Future", None)
    return base is not None and any(each is base for each in type_mro(kind))


def future_state(future: object) -> str:
    """Return the state of a ``concurrent.futures.Future``; empty if its field has another name."""
    state = attributes_of(future).get("_state")
    return state if type(state) is str else ""


def has_waiting_thread(future: object) -> bool:
    """Return whether a thread waits for the result of a future; True if its fields have other names."""
    condition = attributes_of(future).get("_condition")
    return len(attributes_of(condition).get("_waiters", (None,))) > 0


def workers_of(executor: object) -> set[threading.Thread]:
    """Return the threads of a ``ThreadPoolExecutor``; empty if its field has another name."""
    threads = attributes_of(executor).get("_threads")
    return threads if type(threads) is set else set()


def worker_limit(executor: object) -> int | None:
    """Return the maximum number of threads of a ``ThreadPoolExecutor``; None if its field has another name."""
    limit = attributes_of(executor).get("_max_workers")
    return limit if type(limit) is int else None


def queued_calls(executor: object) -> int | None:
    """Return how many calls wait in the queue of a ``ThreadPoolExecutor``; None if its field has another name."""
    size = getattr(attributes_of(executor).get("_work_queue"), "qsize", None)
    return None if size is None else int(size())


def is_worker(thread: threading.Thread) -> bool:
    """Return whether a thread is a worker of a ``ThreadPoolExecutor``; False if the module has no list of them.

    Hashes the thread, so the caller must know that its class defines no hash of its own.
    """
    queues: Any = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", ())
    return thread in queues
