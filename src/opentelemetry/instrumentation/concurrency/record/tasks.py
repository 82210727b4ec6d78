"""The hook on task creation: the only code of ours that an application runs for each task.

It is one plain function on the loop's class. It takes no lock, formats nothing, holds nothing alive, and lets no
exception out. The arguments pass through untouched: keyword names differ between Python 3.10 and 3.15.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from weakref import ref

from .creator import creator_span, current_thread_reference, raw_context
from .failure import HookFailure
from .site import SiteTable
from .young import YoungList

CreateTask = Callable[..., Any]

_NOT_GIVEN: Final = object()
# From 3.12 on the module of a caller is told without making a frame object for it (60 ns).
_module_of_caller: Callable[[int], str | None] | None = getattr(sys, "_getframemodulename", None)


def task_is_gone(task: Any) -> bool:
    """Tell whether a task is done."""
    done: bool = task.done()
    return done


def current_task_of() -> Callable[[Any], Any]:
    """Return the fastest way to ask for a loop's current task.

    Up to 3.13 it is a dictionary (`current_task` itself is Python code on ≤ 3.11); from 3.14 on a C function.
    """
    import asyncio

    if sys.version_info < (3, 14):
        current: dict[Any, Any] = asyncio.tasks._current_tasks  # type: ignore[attr-defined,unused-ignore]
        return current.get
    return asyncio.current_task


def create_task_hook(
    create: CreateTask, table: SiteTable, young: YoungList, failure: HookFailure, *, has_debug_attribute: bool = False
) -> tuple[CreateTask, Callable[[], None]]:
    """Build the replacement of a loop class's ``create_task``.

    Args:
        create: The method being replaced.
        table: The sites of tasks.
        young: Where the entries go.
        failure: Told when the hook raises; the hook then passes through for good.
        has_debug_attribute: Whether loops of the class have ``_debug``, which is quicker to ask than the task.

    Returns:
        The replacement, and a function that makes it pass through for good.
    """
    getframe = sys._getframe
    module_of = _module_of_caller or _no_module
    knows_modules = _module_of_caller is not None
    lines_by_code = table.lines_by_code
    current_task = current_task_of()
    entries = young.entries
    context, span_key = raw_context()
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    # `self` and `coro` are named as in asyncio, for callers that pass them by keyword. Most calls give nothing else, or
    # the name alone: without a dictionary of keywords they are a quarter of a microsecond cheaper.
    def create_task(self: Any, coro: Any, *, name: Any = _NOT_GIVEN, **kwargs: Any) -> Any:
        nonlocal entries
        if name is not _NOT_GIVEN:
            task = create(self, coro, name=name, **kwargs) if kwargs else create(self, coro, name=name)
        else:
            task = create(self, coro, **kwargs) if kwargs else create(self, coro)
        try:
            if armed:
                # What asyncio.tasks calls from is plumbing anyway.
                frame: Any = getframe(2 if knows_modules and module_of(1) == "asyncio.tasks" else 1)
                try:
                    while (lines := lines_by_code[id(frame.f_code)]) is None:
                        frame = frame.f_back
                    site = lines[frame.f_lasti]
                except (KeyError, AttributeError):
                    site = table.find(frame, coro, self)
                now = monotonic()
                number = site.created = site.created + 1
                if number >= site.next_stack:
                    table.capture_stack(site, frame, now, task)
                creator = current_task(self)
                found = context()
                span = found.get(span_key) if found else None
                made_by = current_thread_reference() if creator is None else ref(creator)
                entries += (ref(task), site, now, made_by, None if span is None else creator_span(span), id(task))
                if len(entries) > young.limit:
                    young.prune()
                if self._debug if has_debug_attribute else task._source_traceback:
                    _hide_own_frame(task)
            return task
        except Exception as error:  # noqa: BLE001 (nothing of ours may reach the application)
            failure(error, disarm)
            return task
        finally:
            # An eager task's exception holds this frame; without the local there is no reference cycle (gh-128552).
            del task

    return create_task, disarm


def _no_module(_depth: int) -> None:
    """Stand in for ``sys._getframemodulename`` where there is none."""


def _hide_own_frame(task: Any) -> None:
    """Delete our frame from a debug-mode creation traceback, as `BaseEventLoop.create_task` does with its own."""
    traceback = getattr(task, "_source_traceback", None)
    if traceback and traceback[-1].name == "create_task" and traceback[-1].filename == __file__:
        del traceback[-1]
