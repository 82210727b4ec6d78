"""Walks over the frames of a creation, from the innermost to the end of its task.

The walk ends at the frame that runs the loop's callbacks, because the frames beyond it (the line of ``asyncio.run``)
created nothing. It also ends where a plain function runs the frame of a coroutine: an eager task, or a loop written in
Python. The frames consulted are recorded, so that a later creation on the same path gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import CodeType, FrameType
from typing import Final

from .loop_frames import is_handle_run
from .naming import CodeLine, absolute_path, function_name
from .plumbing import is_plumbing
from .raw_fields import module_name

_ASYNC: Final = CO_COROUTINE | CO_ASYNC_GENERATOR | CO_ITERABLE_COROUTINE
SUSPENDABLE: Final = _ASYNC | CO_GENERATOR
_INLINED: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})
_DRIVERS: Final = frozenset({"send", "throw", "__next__"})
"""Functions through which a wrapper resumes a coroutine; frames beyond them belong to the same task."""


class Outward:
    """A walk from a frame outwards.

    Args:
        frame: The innermost frame.
        runs_loop: Returns whether a frame is in the call that runs the creation's loop.
        ends: Returns whether the walk ends before a frame of the module. Used by leak tests, whose walk ends at the
            test runner; None elsewhere. The innermost frame is included whatever its module.

    Attributes:
        consulted: Code and instruction of every frame that the walk has visited, plumbing included; code is None for
            the end of the stack.
        ended_at_loop: Whether the walk has ended at the frame that runs the loop.
    """

    def __init__(
        self,
        frame: FrameType | None,
        runs_loop: Callable[[FrameType], bool],
        ends: Callable[[str], bool] | None = None,
    ) -> None:
        self._frames: list[FrameType] = []
        self._next = frame
        self._runs_loop = runs_loop
        self._ends = ends
        self._inner_is_async = False
        self._is_at_end = False
        self.consulted: list[tuple[CodeType | None, int]] = []
        self.ended_at_loop = False

    def at(self, place: int) -> FrameType | None:
        """Return the frame at a position, counted from 0 without plumbing; None beyond the end of the task."""
        while len(self._frames) <= place and not self._is_at_end:
            self._step()
        return self._frames[place] if place < len(self._frames) else None

    def _step(self) -> None:
        frame = self._next
        if frame is None:
            self.consulted.append((None, 0))
            self._is_at_end = True
            return
        code = frame.f_code
        self.consulted.append((code, frame.f_lasti))
        if is_handle_run(code) or self._is_driver_of_task(code) or self._is_behind_the_end(frame):
            self._is_at_end = True
        elif self._runs_loop(frame):
            self._is_at_end = self.ended_at_loop = True
        else:
            self._inner_is_async = bool(code.co_flags & _ASYNC)
            if not is_plumbing(module_of_frame(frame)):
                self._frames.append(frame)
            self._next = frame.f_back

    def _is_behind_the_end(self, frame: FrameType) -> bool:
        return self._ends is not None and bool(self._frames) and self._ends(module_of_frame(frame))

    def _is_driver_of_task(self, code: CodeType) -> bool:
        return self._inner_is_async and not code.co_flags & SUSPENDABLE and code.co_name not in _DRIVERS


def module_of_frame(frame: FrameType) -> str:
    """Return the ``__name__`` of a frame's globals; empty if it is not a string."""
    return module_name(frame.f_globals)


def is_comprehension(frame: FrameType) -> bool:
    """Return whether a frame belongs to a list, set or dictionary comprehension."""
    return frame.f_code.co_name in _INLINED


def named_line(frame: FrameType) -> CodeLine:
    """Return the line that a frame is executing."""
    code, module = frame.f_code, module_of_frame(frame)
    # Read from the frame: a search in the line table takes milliseconds for a function of thousands of lines.
    line = frame.f_lineno or code.co_firstlineno
    return CodeLine(function_name(code, module), absolute_path(code.co_filename), line)
