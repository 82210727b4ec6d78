"""Inspection of a process without an agent by the standard library (Python 3.14 or newer)."""

from __future__ import annotations

import json
from typing import Any, Final

from ..record.naming import CodeLine
from ..snapshot.values import CreationSite, LivePicture
from .failures import CommandError
from .interpreter import run_beside
from .processes import Process

MISSING: Final = "creation sites, ages, wait reasons, verdicts and threads"
"""Information that is not available from outside."""

_PROGRAM: Final = """
import json, sys
from asyncio.tools import get_all_awaited_by
def place(f):
    # From 3.15 on: four numbers of which the first is the line, or None.
    location = getattr(f, "location", None)
    return [f.filename, location[0] if location else getattr(f, "lineno", 0), f.funcname]
made = []
for thread in get_all_awaited_by(int(sys.argv[1])):
    for task in thread.awaited_by:
        stack = [place(f) for one in task.coroutine_stack for f in one.call_stack]
        made.append([task.task_id, task.task_name, stack])
json.dump(made, sys.stdout)
"""


def external_pictures(process: Process, timeout_s: float) -> list[LivePicture]:
    """Return the tasks of a process as seen from outside.

    Raises:
        CommandError: If the process can't be inspected.
    """
    text = run_beside(process, _PROGRAM, str(process.process_id), timeout_s=timeout_s)
    try:
        return [_picture(number, task) for number, task in enumerate(json.loads(text), 1)]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        message = f"The standard library's output for process {process.process_id} is invalid ({error})."
        raise CommandError(message) from None


def _picture(number: int, task: list[Any]) -> LivePicture:
    _identity, name, frames = task
    stack = tuple(CodeLine(str(function), str(path), int(line or 0)) for path, line, function in reversed(frames))
    return LivePicture(
        kind="task",
        serial=number,
        name=str(name),
        site=CreationSite("unknown", "", 0, runs=stack[0].function if stack else ""),
        age_s=0.0,
        creator=None,
        stack=stack,
        wait_reason="unknown",
        verdict=None,
    )
