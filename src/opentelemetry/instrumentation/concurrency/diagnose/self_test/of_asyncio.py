"""Assumptions about the internals of `asyncio`: tasks, futures and event loops.

Fields are read from a task that never runs, on an object that only looks like an event loop.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from ...record.endings import DESTROYED, UNRETRIEVED
from ...record.internals.of_asyncio import references_in, task_registries
from ..introspection.fields import loop_of, name_of
from ..introspection.known_waits import callbacks_of, coroutine_of, is_pending, is_task, waiter_of
from ..introspection.loop_handles import handles_of
from .assumption import Assumption, has_field, mentions

_HAS_LINKED_LISTS: Final = sys.version_info >= (3, 14)
_NAME: Final = "otel-concurrency-self-test"


class StandInLoop:
    """The methods of an event loop that creating tasks and futures requires. It runs nothing."""

    def call_soon(self, *_: Any, **__: Any) -> None:
        """Drop a callback."""

    def call_exception_handler(self, _: Any) -> None:
        """Drop a report, which no hook sees either."""

    def get_debug(self) -> bool:
        """Return that debug mode is off."""
        return False

    def create_future(self) -> Any:
        """Return a future of this loop."""
        return sys.modules["asyncio"].Future(loop=self)


class _Sample(NamedTuple):
    task: Any
    coroutine: Any
    loop: StandInLoop


@contextmanager
def _sample() -> Iterator[_Sample]:
    """Provide a task that never runs, and remove it from asyncio's registries."""
    loop, tasks = StandInLoop(), sys.modules["asyncio.tasks"]
    coroutine = _nothing()
    try:
        task = tasks.Task(coroutine, loop=loop, name=_NAME)
        try:
            yield _Sample(task, coroutine, loop)
        finally:
            # asyncio does the same for the tasks that it drops itself.
            task._log_destroy_pending = False
            tasks._unregister_task(task)
    finally:
        coroutine.close()


async def _nothing() -> None:
    """Do nothing."""


def assumptions_on_asyncio() -> Iterable[Assumption]:
    """Return the assumptions about tasks, futures and loops, if asyncio is imported."""
    if "asyncio.runners" not in sys.modules:
        return
    for what, lost, holds in (
        ("Task._coro", "the place where tasks wait is not shown", _coroutine),
        ("Task._fut_waiter", "wait reasons are missing and nothing is proven", _waiter),
        ("Task._loop", "nothing is proven", _loop),
        ("Task._name", "names of tasks are missing", _task_name),
        ("Future._state", "wait reasons are missing and nothing is proven", _state),
        ("Future._callbacks", "owners are not found, so awaited tasks may be reported as orphaned", _callbacks),
        ("the frame of a suspended coroutine", "the place where tasks wait is not shown", _await_chain),
        ("the registry of tasks", "tasks that bypass the hooks are not counted", _registry),
        ("_current_tasks", "recording a task takes longer", _current_tasks),
        ("_get_running_loop", "tasks are not recognized as creators", _running_loop),
        ("BaseEventLoop._thread_id", "the thread of a loop is unknown, so idle loops are not timed", _thread_id),
        ("BaseEventLoop._ready and _scheduled", "nothing is proven", _handles),
        ("BaseSelectorEventLoop._selector", "nothing is proven", _selector),
        ("BaseEventLoop._run_once", "event-loop delay is not measured", _run_once),
        ("Handle._run", "creation sites of callbacks may be in asyncio.run", _handle_run),
        ("_run_until_complete_cb", "a main task may be called unwakeable", _run_callback),
        ("runners._cancel_all_tasks", "tasks that outlive main are not reported at exit", _cancel_all_tasks),
        ("the report of a destroyed task", "destroyed tasks are not counted", _destroyed),
        ("the report of an exception that was never retrieved", "such exceptions are not counted", _unretrieved),
    ):
        yield Assumption("asyncio", what, lost, holds)


def _coroutine() -> bool:
    with _sample() as sample:
        return is_task(sample.task) and coroutine_of(sample.task) is sample.coroutine


def _waiter() -> bool:
    with _sample() as sample:
        return has_field(sample.task, "_fut_waiter") and waiter_of(sample.task) is None


def _loop() -> bool:
    with _sample() as sample:
        return loop_of(sample.task) is sample.loop


def _task_name() -> bool:
    with _sample() as sample:
        return name_of(sample.task) == _NAME


def _state() -> bool:
    future = StandInLoop().create_future()
    was_pending = is_pending(future)
    future.cancel()
    return was_pending and not is_pending(future)


def _callbacks() -> bool:
    future = StandInLoop().create_future()
    future.add_done_callback(print)
    return list(callbacks_of(future)) == [print]


def _await_chain() -> bool:
    from ..introspection.await_chain import walk_await_chain

    # Coroutines of this module are resumed by hand up to a future, without a task.
    future = StandInLoop().create_future()
    coroutine = _outer(future)
    hooks = sys.get_asyncgen_hooks()
    # The hooks of a running loop would start a task that closes the generator.
    sys.set_asyncgen_hooks(None, None)
    try:
        coroutine.send(None)
        chain = walk_await_chain(coroutine)
        names = [frame.code.co_name for frame in chain.frames]
        return names == ["_outer", "_generator"] and chain.awaited is future and chain.partial is None
    finally:
        sys.set_asyncgen_hooks(*hooks)
        coroutine.close()


async def _outer(future: Any) -> None:
    async for _ in _generator(future):
        pass


async def _generator(future: Any) -> Any:
    yield await future


def _registry() -> bool:
    if _HAS_LINKED_LISTS:
        # The public function reads the lists.
        return True
    with _sample() as sample:
        return any(reference() is sample.task for each in task_registries() for reference in list(references_in(each)))


def _current_tasks() -> bool:
    return _HAS_LINKED_LISTS or type(sys.modules["asyncio.tasks"]._current_tasks) is dict


def _running_loop() -> bool:
    running = sys.modules["asyncio"]._get_running_loop
    return running is sys.modules["asyncio.events"]._get_running_loop and callable(running)


def _thread_id() -> bool:
    return mentions(sys.modules["asyncio.base_events"].BaseEventLoop.__init__, "_thread_id")


def _handles() -> bool:
    # This class alone opens no file descriptors.
    loop = sys.modules["asyncio.base_events"].BaseEventLoop()
    try:
        loop._selector = None
        soon, later = loop.call_soon(print), loop.call_later(3600, print)
        cancelled = loop.call_later(3600, print)
        cancelled.cancel()
        handles = handles_of(loop)
        return handles is not None and handles.ready == [soon] and handles.timers == [later]
    finally:
        loop.close()


def _selector() -> bool:
    events = sys.modules.get("asyncio.selector_events")
    return events is None or mentions(events.BaseSelectorEventLoop.__init__, "_selector")


def _run_once() -> bool:
    return callable(sys.modules["asyncio.base_events"].BaseEventLoop._run_once)


def _handle_run() -> bool:
    code = sys.modules["asyncio.events"].Handle._run.__code__
    return bool(code.co_name == "_run")


def _run_callback() -> bool:
    return callable(sys.modules["asyncio.base_events"]._run_until_complete_cb)


def _cancel_all_tasks() -> bool:
    return callable(sys.modules["asyncio.runners"]._cancel_all_tasks)


def _destroyed() -> bool:
    return DESTROYED in sys.modules["asyncio.tasks"]._PyTask.__del__.__code__.co_consts


def _unretrieved() -> bool:
    # The name of the class comes before the constant part of the text.
    constants = sys.modules["asyncio.futures"]._PyFuture.__del__.__code__.co_consts
    return any(type(each) is str and each and f"Task{each}" == UNRETRIEVED for each in constants)
