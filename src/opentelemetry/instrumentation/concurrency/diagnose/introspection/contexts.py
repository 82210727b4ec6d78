"""The context of a task, read without entering it."""

from __future__ import annotations

import gc
from contextvars import Context
from typing import Any

from ...record.interpreter import FREE_THREADED
from .known_waits import field, is_task, known_asyncio


def context_of(task: object) -> Context | None:
    """Return the context in which a task runs; None for other objects, or where another thread may change it."""
    known = known_asyncio()
    if known is None or FREE_THREADED or not is_task(task):
        return None
    context: Any = None
    if issubclass(type(task), known.py_task):
        context = field(task, "_context")
    elif (get_context := getattr(known.c_task, "get_context", None)) is not None:
        context = get_context(task)
    else:
        # Up to 3.11 a task in C does not show its context, but refers to it.
        context = next((each for each in gc.get_referents(task) if type(each) is Context), None)
    return context if type(context) is Context else None
