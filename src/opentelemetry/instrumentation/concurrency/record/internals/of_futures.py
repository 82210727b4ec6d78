"""Private names of `concurrent.futures`."""

from __future__ import annotations

import sys
import threading
from collections import deque
from gc import get_referents
from operator import itemgetter
from types import CodeType, FunctionType
from typing import Any, Final
from weakref import ReferenceType, ref

from ..interpreter import FREE_THREADED
from ..raw_fields import attributes_of, type_mro

_MAX_QUEUED: Final = 100_000
_STEPS_TO_NEWEST: Final[tuple[Any, ...]] = (
    (get_referents, itemgetter(0), itemgetter(-1)) if sys.version_info < (3, 13) else (get_referents, itemgetter(-2))
)
"""Steps from a `queue.SimpleQueue` to its last item: it refers to a list, since 3.13 to the items, then to its type."""


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


def is_shut_down(executor: object) -> bool:
    """Return whether a ``ThreadPoolExecutor`` accepts no more calls; False if its field has another name."""
    return attributes_of(executor).get("_shutdown") is True


def worker_code() -> CodeType | None:
    """Return the code that each worker of a ``ThreadPoolExecutor`` runs, which is its innermost while it is idle."""
    worker = getattr(sys.modules.get("concurrent.futures.thread"), "_worker", None)
    return worker.__code__ if type(worker) is FunctionType else None


def queued_calls(executor: object) -> int | None:
    """Return how many calls wait in the queue of a ``ThreadPoolExecutor``; None for an unknown kind of queue.

    Neither locks the queue nor calls methods of a derived class.
    """
    queue = attributes_of(executor).get("_work_queue")
    simple = _simple_queue()
    if simple is not None and issubclass(type(queue), simple):
        return int(simple.qsize(queue))
    items = attributes_of(queue).get("queue")
    return len(items) if type(items) is deque or type(items) is list else None


def newest_call(executor: object, queued: int) -> ReferenceType[Any] | None:
    """Return a weak reference to the last work item of an executor's queue; None if that is unknown.

    One C call finds it, so no other thread can finish an item meanwhile, whose objects would then end in this one.

    Args:
        executor: The executor.
        queued: Number of calls in its queue. Beyond a limit there is no answer, because 3.13 copies the queue.
    """
    queue = attributes_of(executor).get("_work_queue")
    steps: tuple[Any, ...] = (itemgetter(-1),)
    if type(queue) is _simple_queue():
        if FREE_THREADED or queued > _MAX_QUEUED:
            return None
        steps = _STEPS_TO_NEWEST
    else:
        queue = attributes_of(queue).get("queue")
        if type(queue) is not deque:
            return None
    found: Any = (queue,)
    for step in (*steps, ref):
        found = map(step, found)
    try:
        return next(found)  # type: ignore[no-any-return]  # the last step is `ref`
    except (IndexError, TypeError):  # an empty queue, or its end mark
        return None


def is_queued(item: object) -> bool:
    """Return whether a work item still waits for a worker."""
    return future_state(attributes_of(item).get("future")) == "PENDING"


def _simple_queue() -> Any:
    """Return the type of `queue.SimpleQueue` that is written in C; None if it is not imported, or replaced."""
    return getattr(sys.modules.get("_queue"), "SimpleQueue", None)


def is_worker(thread: threading.Thread) -> bool:
    """Return whether a thread is a worker of a ``ThreadPoolExecutor``; False if the module has no list of them.

    Hashes the thread, so the caller must know that its class defines no hash of its own.
    """
    queues: Any = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", ())
    return thread in queues
