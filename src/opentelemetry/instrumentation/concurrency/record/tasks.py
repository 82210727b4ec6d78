"""The hook on task creation: the only code of ours that an application runs for each task.

It is one plain function on the loop's class. It takes no lock, formats nothing, holds nothing alive, and lets no
exception out. The arguments pass through untouched: keyword names differ between Python 3.10 and 3.15.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from types import CodeType
from typing import Any, Final
from weakref import ref

from .creator import creator_span, current_thread_reference, latest_span, raw_context
from .failure import HookFailure
from .plain_creation import task_module_below
from .site import SiteTable
from .young import YoungList

CreateTask = Callable[..., Any]

_NOT_GIVEN: Final = object()
_NOBODY: Final[Callable[[], Any]] = ref(type("Nobody", (), {})())
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


def create_task_hook(  # noqa: C901 (as below)
    create: CreateTask, table: SiteTable, young: YoungList, failure: HookFailure
) -> tuple[CreateTask, Callable[[], None]]:
    """Build the replacement of a loop class's ``create_task``.

    Args:
        create: The method being replaced.
        table: The sites of tasks.
        young: Where the entries go.
        failure: Told when the hook raises; the hook then passes through for good.

    Returns:
        The replacement, and a function that makes it pass through for good.
    """
    getframe = sys._getframe
    module_of = _module_of_caller or _no_module
    knows_modules = _module_of_caller is not None
    plumbing = None if knows_modules else _code_of_create_task()
    guesses, lines_by_code = table.guesses, table.lines_by_code
    current_task = current_task_of()
    entries = young.entries
    context, span_key = raw_context()
    tasks: Any = task_module_below(create)
    makes_tasks = tasks is not None
    # Whoever creates one task often creates the next as well; asking a weak reference is quicker than finding it again.
    latest_creator: Any = _NOBODY
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    # `self` and `coro` are named as in asyncio, for callers that pass them by keyword. Most calls give nothing else, or
    # the name alone: without a dictionary of keywords they are a quarter of a microsecond cheaper.
    # All is in one function: each call of another costs a twentieth of the hook.
    # What `asyncio.tasks` calls from is plumbing anyway.
    # An eager task's exception holds this frame; without the local `task` there is no reference cycle (gh-128552).
    def create_task(self: Any, coro: Any, *, name: Any = _NOT_GIVEN, **kwargs: Any) -> Any:  # noqa: C901
        nonlocal entries, latest_creator
        if makes_tasks and not kwargs and self._task_factory is None and not self._check_closed():
            task = tasks.Task(coro, loop=self) if name is _NOT_GIVEN else tasks.Task(coro, loop=self, name=name)
        elif name is not _NOT_GIVEN:
            task = create(self, coro, name=name, **kwargs) if kwargs else create(self, coro, name=name)
        else:
            task = create(self, coro, **kwargs) if kwargs else create(self, coro)
        try:
            if getattr(task, "_source_traceback", None):
                _hide_own_frame(task)
            if armed:
                if knows_modules:
                    frame: Any = getframe(2 if module_of(1) == "asyncio.tasks" else 1)
                elif (frame := getframe(1)).f_code is plumbing:
                    frame = frame.f_back
                try:
                    site = guesses[frame.f_lasti]
                    if frame.f_code is not site.code:
                        while (lines := lines_by_code[id(frame.f_code)]) is None:
                            frame = frame.f_back
                        site = guesses[frame.f_lasti] = lines[frame.f_lasti]
                except (KeyError, AttributeError):
                    site = table.find(frame, coro, self)
                now = monotonic()
                left = site.until_stack = site.until_stack - 1
                if left <= 0:
                    table.capture_stack(site, frame, now, task)
                if (creator := current_task(self)) is None or (made_by := latest_creator)() is not creator:
                    made_by = current_thread_reference() if creator is None else (latest_creator := ref(creator))
                span = found.get(span_key) if (found := context()) else None
                if span is None or (made_in := latest_span.record).reference() is not span:
                    made_in = None if span is None else creator_span(span)
                entries += (ref(task), site, now, made_by, made_in, id(task))
                if len(entries) > young.limit:
                    young.prune()
            return task
        except Exception as error:  # noqa: BLE001 (nothing of ours may reach the application)
            return failure(error, disarm, task)
        finally:
            del task

    return create_task, disarm


def _code_of_create_task() -> CodeType | None:
    """Return the code of `asyncio.create_task`, unless somebody has put a function of another module there."""
    import asyncio

    function: Any = asyncio.tasks.create_task
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) and code.co_filename == asyncio.tasks.__file__ else None


def _no_module(_depth: int) -> None:
    """Stand in for ``sys._getframemodulename`` where there is none."""


def _hide_own_frame(task: Any) -> None:
    """Delete our frame from a debug-mode creation traceback, as `BaseEventLoop.create_task` does with its own."""
    traceback = getattr(task, "_source_traceback", None)
    if traceback and traceback[-1].name == "create_task" and traceback[-1].filename == __file__:
        del traceback[-1]
