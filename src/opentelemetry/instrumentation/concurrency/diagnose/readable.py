"""Whether a task may be looked into from here, and its await chain where it may.

With the interpreter's lock a suspended coroutine stands still while it is read. On free-threaded builds it does so only
where its loop is stopped or runs in the asking thread (leak tests, the last look at exit). Everywhere else the task is
counted and shown with its line, its age and its creation stack, and where it waits stays unknown.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Final

from ..record.interpreter import FREE_THREADED
from .await_chain import AwaitChain, walk_await_chain
from .fields import loop_of
from .known_waits import coroutine_of

_UNREAD: Final = AwaitChain(
    (), None, False, False, "this interpreter has no global lock, and what another thread runs is not looked into"
)


def may_be_read(task: object) -> bool:
    """Tell whether nothing can resume ``task`` while the calling thread looks into it. Never raises."""
    if not FREE_THREADED:
        return True
    try:
        loop = loop_of(task)
        return loop is None or not loop.is_running() or sys.modules["asyncio"]._get_running_loop() is loop
    except Exception:  # noqa: BLE001 (a loop of another make; every doubt falls to "no")
        return False


def chain_of(
    task: object, *, current_frames: Mapping[int, FrameType] | None = None, is_dying: bool = False
) -> AwaitChain:
    """Return the await chain of a task, without frames where it may not be read. Never raises.

    Args:
        task: An asyncio task.
        current_frames: ``sys._current_frames()``, to see inside a coroutine that is running.
        is_dying: It is being destroyed by the calling thread, so that nobody else can run it.
    """
    if not is_dying and not may_be_read(task):
        return _UNREAD
    return walk_await_chain(coroutine_of(task), current_frames=current_frames)
