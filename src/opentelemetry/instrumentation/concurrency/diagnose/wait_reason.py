"""What a task or thread waits for, as one word of the contract's closed list.

A task is named first by the library function it waits in: of the innermost run of library frames the outermost that
is known, because ``Queue.join`` says more than the ``Event.wait`` inside it. Only then by the type of what it awaits.
A thread is named the same way from its stack; a wait inside a C function that a plain frame called does not show and
counts as running.
"""

from __future__ import annotations

from inspect import CO_ASYNC_GENERATOR
from typing import TYPE_CHECKING, Final

from .first_callbacks import is_bare
from .known_waits import (
    INNERMOST_THREAD_WAITS,
    PLAIN_FUTURE_WAITS,
    TASK_WAITS,
    THREAD_WAITS,
    executor_future_of,
    is_future,
    is_gather,
    is_pending,
    is_task,
    known_wait,
    shielded_by,
    waiter_of,
)

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
"""The closed list of the contract."""

_TASK_LIBRARIES: Final = frozenset(
    {"asyncio", "uvloop", "anyio", "aiohttp", "aiohappyeyeballs", "async_timeout", "contextlib"}
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
    """Name what ``task`` waits for, from its await chain. Never raises.

    Args:
        task: The task that the chain was taken from; an object that is no asyncio task is judged by the chain alone.
        chain: What ``walk_await_chain`` gave for its coroutine.

    Returns:
        One of ``WAIT_REASONS``. A task whose waiter is done is ``runnable``: its wake-up is on the way.
    """
    try:
        return _task_reason(task, chain, library_wait(chain))
    except Exception:  # noqa: BLE001 (an observer must not fail because of what it observes)
        return "unknown"


def library_wait(chain: AwaitChain) -> str | None:
    """Name the wait by the library function that the chain ends in, None if it ends in none that is known.

    The same for all chains of the same frames.
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
    """Name what ``task`` waits for, as ``wait_reason`` does, given the chain's ``library_wait``; never raises."""
    try:
        return _task_reason(task, chain, library)
    except Exception:  # noqa: BLE001 (an observer must not fail because of what it observes)
        return "unknown"


def thread_wait_reason(frame: FrameType) -> str:
    """Name what a thread waits for, from its innermost frame. Never raises.

    Joining a thread is ``lock.acquire``, an idle event loop ``io.read``, an idle pool worker ``executor``.
    ``time.sleep`` and locks taken by plain code are calls of C that leave no frame: ``running``.
    """
    try:
        return _thread_reason(frame)
    except Exception:  # noqa: BLE001 (an observer must not fail because of what it observes)
        return "unknown"


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
    # asyncio suspends a task only on what behaves as a future.
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


def _thread_reason(frame: FrameType) -> str:
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
    return reason or "running"
