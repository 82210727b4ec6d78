"""Restarts of tasks: a done callback starts the successor of a finished task.

The first start by a supervisor and its restarts are two lines, and the second belongs to no request. A task started by
a done callback therefore joins the site of the finished task if both run the same function: the site remains the
responsible line, and a worker that replaces another keeps its status. This excludes a coroutine that waited in a queue
until the callback had room for it: it belongs to the code that queued it.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any, Final

from .bytecode import names_function
from .came_in import Subject, passes_through
from .frame_locals import parameter_names, variables_of
from .outward import SUSPENDABLE, Outward
from .started import code_of

_MOST_FRAMES: Final = 8


def ended_task_given_to(outward: Outward) -> Any | None:
    """Return the finished task passed to the done callback in which the creation runs; None outside such a callback."""
    outermost: FrameType | None = None
    for place in range(_MOST_FRAMES):
        frame = outward.at(place)
        if frame is None:
            break
        if frame.f_code.co_flags & SUSPENDABLE:
            # The frame belongs to a task, so no callback is running.
            return None
        outermost = frame
    else:
        return None
    tasks = sys.modules.get("asyncio.tasks")
    variables = None if outermost is None or tasks is None else variables_of(outermost)
    if outermost is None or tasks is None or variables is None:
        return None
    for name in parameter_names(outermost.f_code):
        given = variables.get(name)
        if issubclass(type(given), tasks.Task) and tasks.Task.done(given):
            return given
    return None


def makes_what_runs(outward: Outward, subject: Subject, runs: str) -> bool:
    """Return whether a frame of a done callback may have called the started function, by name or as an argument.

    Args:
        outward: The frames of the callback.
        subject: The started object.
        runs: The qualified name of the function that it runs.
    """
    name = runs.rpartition(".")[2]
    codes = _codes_of_what_runs(subject)
    for place in range(_MOST_FRAMES):
        frame = outward.at(place)
        if frame is None:
            break
        if names_function(frame.f_code, name) or any(passes_through(frame, code) for code in codes):
            return True
    return False


def _codes_of_what_runs(subject: Subject) -> list[CodeType]:
    return [
        code for code in (subject.code, *(code_of(each)[0] for each in (*subject.coroutines, subject.inner))) if code
    ]
