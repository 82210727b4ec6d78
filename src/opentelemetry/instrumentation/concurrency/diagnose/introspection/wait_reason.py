"""Wait reasons of tasks and threads, from the closed list of the documentation.

The reason of a task is determined first by the library function in which it waits. Of the innermost sequence of library
frames, the outermost known one is used, because ``Queue.join`` is more specific than the ``Event.wait`` inside it. Only
without such a frame does the type of the awaited object decide.

The reason of a thread is determined in the same way from its stack. A wait inside a C function leaves no frame: the
operating system shows whether the thread is asleep, and the reason is known only if the calling instruction shows it.
"""

from __future__ import annotations

from inspect import CO_ASYNC_GENERATOR
from typing import TYPE_CHECKING, Final

from .c_calls import c_call_reason, stands_in_call
from .first_callbacks import is_bare
from .known_waits import (
    executor_future_of,
    is_future,
    is_gather,
    is_pending,
    is_task,
    known_wait,
    shielded_by,
    waiter_of,
)
from .tornado_streams import stream_wait
from .waiting_functions import INNERMOST_THREAD_WAITS, PLAIN_FUTURE_WAITS, TASK_WAITS, THREAD_WAITS

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from .await_chain import AwaitChain

WAIT_REASONS: Final = frozenset(
    {
        "running",
        "runnable",
        "sleep",
        "future",
        "task",
        "gather",
        "wait",
        "task_group",
        "lock.acquire",
        "semaphore.acquire",
        "event.wait",
        "condition.wait",
        "barrier.wait",
        "queue.get",
        "queue.put",
        "queue.join",
        "io.read",
        "io.write",
        "executor",
        "subprocess",
        "async_generator",
        "unknown",
    }
)
"""The closed list of wait reasons, part of the public contract."""

_TASK_LIBRARIES: Final = frozenset(
    {"asyncio", "uvloop", "anyio", "aiohttp", "aiohappyeyeballs", "async_timeout", "contextlib", "nats"}
)
_THREAD_LIBRARIES: Final = frozenset(
    {
        "threading",
        "queue",
        "concurrent",
        "asyncio",
        "selectors",
        "socket",
        "ssl",
        "subprocess",
        "multiprocessing",
        "uvloop",
    }
)
_MAX_THREAD_FRAMES: Final = 100
_MAX_SHIELDS: Final = 100


def wait_reason(task: object, chain: AwaitChain) -> str:
    """Return the wait reason of a task, given its await chain. Never raises.

    Args:
        task: The task of the chain; for an object that is not an asyncio task, only the chain is used.
        chain: The result of ``walk_await_chain`` for its coroutine.

    Returns:
        One of ``WAIT_REASONS``. A task whose waiter is done is ``runnable``: its wake-up is scheduled.
    """
    try:
        return _reason_or_stream(task, _task_reason(task, chain, library_wait(chain)))
    except Exception:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return "unknown"


def library_wait(chain: AwaitChain) -> str | None:
    """Return the wait reason of the library function at the end of the chain, or None if it is not a known wait.

    The result is the same for all chains with the same frames.
    """
    if chain.truncated:
        return None
    reason: str | None = None
    for frame in reversed(chain.frames):
        if frame.module.partition(".")[0] not in _TASK_LIBRARIES:
            break
        reason = known_wait(TASK_WAITS, frame.code, frame.module) or reason
    return reason


def wait_reason_within(task: object, chain: AwaitChain, library: str | None) -> str:
    """Return what ``wait_reason`` returns, given the chain's ``library_wait``. Never raises."""
    try:
        return _reason_or_stream(task, _task_reason(task, chain, library))
    except Exception:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return "unknown"


def thread_wait_reason(frame: FrameType, *, is_asleep: bool | None = None) -> str:
    """Return the wait reason of a thread, given its innermost frame. Never raises.

    Joining a thread is ``lock.acquire``, an idle event loop ``io.read``, an idle pool worker ``executor``. In a C
    function, the reason follows from the call or is ``unknown``.

    Args:
        frame: The innermost frame.
        is_asleep: Whether the thread is asleep according to `ThreadActivity`; None if unknown.
    """
    try:
        reason = _thread_reason(frame)
        if reason is not None or is_asleep is False:
            return reason or "running"
        if is_asleep:
            return c_call_reason(frame.f_code, frame.f_lasti) or "unknown"
        return "unknown" if stands_in_call(frame.f_code, frame.f_lasti) else "running"
    except Exception:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return "unknown"


def shows_thread_wait(frame: FrameType) -> bool:
    """Return whether the stack alone determines the wait reason of a thread. Never raises."""
    try:
        return _thread_reason(frame) is not None
    except Exception:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return True


def _reason_or_stream(task: object, reason: str) -> str:
    return (stream_wait(task) or reason) if reason == "future" else reason


def _task_reason(task: object, chain: AwaitChain, library: str | None) -> str:
    if chain.running:
        return "running"
    if not chain.frames:
        return "unknown"
    waiter = waiter_of(task)
    if waiter is None and (is_task(task) or (chain.awaited is None and chain.partial is None)):
        return "runnable"
    if is_future(waiter) and not is_pending(waiter):
        return "runnable"
    if library is not None:
        return library
    innermost = chain.frames[-1]
    if is_future(chain.awaited):
        return _future_reason(chain.awaited, innermost.code, innermost.module)
    if innermost.code.co_flags & CO_ASYNC_GENERATOR:
        return "async_generator"
    if is_future(waiter):
        return _future_reason(waiter, innermost.code, innermost.module)
    # asyncio suspends a task only on objects that behave like a future.
    return "unknown" if waiter is None else "future"


def _future_reason(future: object, code: CodeType, module: str) -> str:
    bare = is_bare(future)
    for _ in range(_MAX_SHIELDS):
        inner = None if bare else shielded_by(future)
        if inner is None:
            break
        future, bare = inner, is_bare(inner)
    if is_task(future):
        return "task"
    if is_gather(future):
        return "gather"
    if not bare and executor_future_of(future) is not None:
        return "executor"
    return known_wait(PLAIN_FUTURE_WAITS, code, module) or "future"


def _thread_reason(frame: FrameType) -> str | None:
    reason: str | None = None
    current: FrameType | None = frame
    for depth in range(_MAX_THREAD_FRAMES):
        module = dict.get(current.f_globals, "__name__") if current is not None else None
        if current is None or type(module) is not str or module.partition(".")[0] not in _THREAD_LIBRARIES:
            break
        if depth == 0:
            reason = known_wait(INNERMOST_THREAD_WAITS, current.f_code, module)
        reason = known_wait(THREAD_WAITS, current.f_code, module) or reason
        current = current.f_back
    return reason
