"""Which tasks may be inspected from the current thread, and their await chains.

With the global interpreter lock, a suspended coroutine cannot be resumed while it is read. On free-threaded builds,
that holds only if its loop is stopped or runs in the current thread (leak tests, the final scan). Other tasks are
counted and shown with site, age and creation stack, but without the place where they wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType
from typing import Final

from ...record.internals.of_asyncio import running_loop
from ...record.interpreter import FREE_THREADED
from .await_chain import AwaitChain, walk_await_chain
from .fields import loop_of
from .known_waits import coroutine_of

_UNREAD: Final = AwaitChain(
    (), None, False, False, "this interpreter has no global lock, so tasks of another thread's loop cannot be inspected"
)


def may_be_read(task: object) -> bool:
    """Return whether ``task`` cannot be resumed while the current thread inspects it. Never raises."""
    if not FREE_THREADED:
        return True
    try:
        loop = loop_of(task)
        return loop is None or not loop.is_running() or running_loop() is loop
    except Exception:  # noqa: BLE001 (a loop of another implementation may raise anything: treated as unreadable)
        return False


def chain_of(
    task: object, *, current_frames: Mapping[int, FrameType] | None = None, is_dying: bool = False
) -> AwaitChain:
    """Return the await chain of a task, empty if the task must not be inspected. Never raises.

    Args:
        task: An asyncio task.
        current_frames: ``sys._current_frames()``, to include the calls inside a running coroutine.
        is_dying: Whether the current thread is destroying the task, so that no other thread can run it.
    """
    if not is_dying and not may_be_read(task):
        return _UNREAD
    return walk_await_chain(coroutine_of(task), current_frames=current_frames)
