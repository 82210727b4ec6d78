"""Assumptions about the internals of asyncio's functions that link futures: gather, shield, task groups, executors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakSet

from ...record.internals.of_asyncio import references_in, running_loop
from ..introspection.fields import awaited_by
from ..introspection.known_waits import children_of, executor_future_of, shielded_by
from ..ownership.owners import linked_concurrent_future
from ..proof.roots import is_of_set
from .assumption import Assumption, has_field
from .of_asyncio import StandInLoop

_RECORDS_AWAITERS: Final = sys.version_info >= (3, 14)


def assumptions_on_asyncio_links() -> Iterable[Assumption]:
    """Return the assumptions about links between futures, if asyncio is imported."""
    if "asyncio.runners" not in sys.modules:
        return
    yield Assumption("asyncio", "the outer future of gather", "its children are not found", _gather)
    yield Assumption("asyncio", "the callback of shield", "the shielded task is not found", _shield)
    if "concurrent.futures._base" in sys.modules:
        link = "calls in executors have the wait reason future"
        yield Assumption("asyncio", "the callback of run_in_executor", link, _executor)
        link = "tasks of run_coroutine_threadsafe may be reported as orphaned, or not at all"
        yield Assumption("asyncio", "the callback of run_coroutine_threadsafe", link, _threadsafe)
    lost = "tasks and asynchronous generators that asyncio registers are not proven unwakeable"
    yield Assumption("Python", "WeakSet.data and _remove", lost, _weak_set)
    if "asyncio.taskgroups" in sys.modules:
        link = "tasks of a task group may be reported as orphaned or unwakeable"
        yield Assumption("asyncio", "TaskGroup._parent_task", link, _group)
    if _RECORDS_AWAITERS:
        link = "owners that only asyncio's call graph shows are not found"
        yield Assumption("asyncio", "Future._asyncio_awaited_by", link, _awaiters)


def _gather() -> bool:
    if running_loop() is not None:
        # From 3.14 on, gather then takes only futures of the running loop.
        return True
    with _futures(2) as futures:
        return children_of(sys.modules["asyncio"].gather(*futures)) == tuple(futures)


def _shield() -> bool:
    with _futures(1) as futures:
        futures.append(sys.modules["asyncio"].shield(futures[0]))
        return shielded_by(futures[1]) is futures[0]


def _executor() -> bool:
    with _futures(0) as futures, _concurrent_future() as concurrent:
        futures.append(sys.modules["asyncio"].wrap_future(concurrent, loop=StandInLoop()))
        return executor_future_of(futures[0]) is concurrent


def _threadsafe() -> bool:
    with _futures(1) as futures, _concurrent_future() as concurrent:
        sys.modules["asyncio.futures"]._chain_future(futures[0], concurrent)
        return linked_concurrent_future(futures[0]) is concurrent


def _weak_set() -> bool:
    with _futures(1) as futures:
        registry = WeakSet(futures)
        (reference,) = references_in(registry)
        return reference() is futures[0] and is_of_set(reference, registry)


def _group() -> bool:
    return has_field(sys.modules["asyncio.taskgroups"].TaskGroup(), "_parent_task")


def _awaiters() -> bool:
    with _futures(2) as futures:
        sys.modules["asyncio"].future_add_to_awaited_by(*futures)
        return any(each is futures[1] for each in awaited_by(futures[0]))


@contextmanager
def _futures(number: int) -> Iterator[list[Any]]:
    """Provide futures, and drop their callbacks at the end, which are reference cycles."""
    loop = StandInLoop()
    futures = [loop.create_future() for _ in range(number)]
    try:
        yield futures
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _concurrent_future() -> Iterator[Any]:
    """Provide a future of an executor, and drop its callbacks at the end."""
    future = sys.modules["concurrent.futures._base"].Future()
    try:
        yield future
    finally:
        # Unlike cancel(), this calls none of them.
        vars(future).clear()
