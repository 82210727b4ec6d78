"""Callers in other threads that wait for a task started by plumbing.

anyio's ``portal.start_task_soon(function)`` hands a function over to the loop's thread, where a callback of the loop
creates the coroutine; none of its frames belongs to the caller. The caller waits meanwhile: a frame of its thread
refers to the same future that the new coroutine will resolve. The caller is found by the identity of that future,
without a hook and without private names of the library.
"""

from __future__ import annotations

import sys
from threading import get_ident
from types import CodeType, CoroutineType, FrameType, FunctionType
from typing import Any, Final

from .frame_locals import variables_of
from .internals.of_futures import is_concurrent_future
from .interpreter import FREE_THREADED
from .loop_frames import is_handle_run
from .outward import module_of_frame
from .plumbing import is_plumbing
from .started import HANDING_OVER, held_by, module_of, variables_in_closure

_MAX_FRAMES: Final = 32


def is_handed_over(coroutine: object, consulted: list[tuple[CodeType | None, int]]) -> bool:
    """Return whether a task that only plumbing creates may run a function handed over by another thread.

    Args:
        coroutine: The innermost coroutine of the new task.
        consulted: Code and instruction of each frame of the creation, innermost first.
    """
    if module_of(coroutine) in HANDING_OVER:
        return True
    first = consulted[0][0] if consulted else None
    if first is not None and is_handle_run(first):
        return True
    # The callback of ``run_coroutine_threadsafe``.
    return any(code is not None and code.co_name == "callback" for code, _ in consulted)


def waiting_caller(coroutine: object) -> FrameType | None:
    """Return the frame in another thread that waits for a new task's result; None if there is none.

    Args:
        coroutine: The innermost coroutine of a task that only plumbing creates.

    Cost: microseconds per thread, only for creations whose frames are all plumbing.
    """
    if FREE_THREADED or type(coroutine) is not CoroutineType or module_of(coroutine) not in HANDING_OVER:
        # Without the global interpreter lock, variables of a frame that another thread may resume cannot be read.
        return None
    held = held_by(coroutine)
    held += [value for each in held if type(each) is FunctionType for value in variables_in_closure(each).values()]
    futures = [each for each in held if is_concurrent_future(type(each))]
    if not futures:
        return None
    innermost = sys._current_frames()
    # The current frame would create a cycle with its own locals.
    innermost.pop(get_ident(), None)
    for frame in innermost.values():
        found = _caller_in(frame, futures)
        if found is not None:
            return found
    return None


def _caller_in(frame: FrameType, futures: list[Any]) -> FrameType | None:
    """Return the first frame that is not plumbing if a plumbing frame inside it refers to one of the futures."""
    current: FrameType | None = frame
    waits = False
    for _ in range(_MAX_FRAMES):
        if current is None:
            break
        module = module_of_frame(current)
        if not is_plumbing(module):
            return current if waits else None
        if not waits and module in HANDING_OVER:
            held = (variables_of(current) or {}).values()
            waits = any(value is future for value in held for future in futures)
        current = current.f_back
    return None
