"""The hook on task creation: the package's only code that runs for each task.

- It is one plain function on the loop's class.
- It takes no lock, formats nothing, keeps no object alive and lets no exception out.
- The arguments pass through unchanged: keyword names differ between Python 3.10 and 3.15.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from types import CodeType, CoroutineType
from typing import Any, Final
from weakref import getweakrefs, ref

from .creator import creator_span, current_thread_reference, latest_span, raw_context
from .failure import HookFailure
from .internals.of_asyncio import current_task_lookup
from .paths import follow
from .plain_creation import task_module_below
from .site_table import SiteTable
from .young import YoungList

CreateTask = Callable[..., Any]

_NOT_GIVEN: Final = object()
_NO_CREATOR: Final[Callable[[], Any]] = ref(type("NoCreator", (), {})())
_ASYNCIO_CALLERS: Final = ("create_task", "_ensure_future", "gather")
_ASYNCIO_KEEPS_REFERENCES: Final = sys.version_info < (3, 14)
"""Whether asyncio registers each task in a `weakref.WeakSet`."""
# Since 3.12, the module of a caller can be read without creating a frame object (60 ns).
_module_of_caller: Callable[[int], str | None] | None = getattr(sys, "_getframemodulename", None)


def task_is_finished(task: Any) -> bool:
    """Return whether a task is done."""
    done: bool = task.done()
    return done


def create_task_hook(  # noqa: C901 (the complexity of the function within)
    create: CreateTask, table: SiteTable, young: YoungList, failure: HookFailure
) -> tuple[CreateTask, Callable[[], None]]:
    """Build the replacement of a loop class's ``create_task``.

    Args:
        create: The method being replaced.
        table: The sites of tasks.
        young: The list that receives the entries.
        failure: Called when the hook raises; the hook is then disabled permanently.

    Returns:
        The replacement, and a function that permanently disables the hook in it.
    """
    getframe = sys._getframe
    module_of = _module_of_caller or _no_module
    knows_modules = _module_of_caller is not None
    plumbing = "asyncio.tasks"
    by_create, by_ensure, by_gather = (None,) * 3 if knows_modules else map(own_code, _ASYNCIO_CALLERS)
    guesses, find, coroutine_type = table.guesses.get, table.find, CoroutineType
    current_task = current_task_lookup()
    entries = young.entries
    context, span_key = raw_context()
    tasks: Any = task_module_below(create)
    makes_tasks = tasks is not None
    reuses = makes_tasks and _ASYNCIO_KEEPS_REFERENCES
    # Consecutive tasks often have the same creator: calling its weak reference is cheaper than creating another.
    latest_creator: Any = _NO_CREATOR
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    # `self` and `coro` are named as in asyncio, for callers that pass them by keyword. Most calls pass nothing else, or
    # only the name: without a keyword dictionary they are a quarter of a microsecond cheaper.
    # Everything is inlined: each call of another function costs a twentieth of the hook.
    # The most common callers in `asyncio.tasks` are skipped here; the path would lead through them as plumbing.
    # Only for a coroutine of the built-in type can the code be read without running code of the application.
    # A single weak reference to a new task is asyncio's own: it is reused, as the collector would count another one.
    # The exception of an eager task refers to this frame; deleting `task` avoids a reference cycle (gh-128552).
    def create_task(self: Any, coro: Any, *, name: Any = _NOT_GIVEN, **kwargs: Any) -> Any:  # noqa: C901 (inlined)
        nonlocal entries, latest_creator
        if makes_tasks and not kwargs and self._task_factory is None and not self._check_closed():
            task = tasks.Task(coro, loop=self) if name is _NOT_GIVEN else tasks.Task(coro, loop=self, name=name)
        elif name is not _NOT_GIVEN:
            task = create(self, coro, name=name, **kwargs) if kwargs else create(self, coro, name=name)
        else:
            task = create(self, coro, **kwargs) if kwargs else create(self, coro)
        try:
            if self._debug if makes_tasks else getattr(task, "_source_traceback", None):
                _hide_own_frame(task)
            if armed:
                if knows_modules:
                    frame: Any = getframe(1 if module_of(1) != plumbing else 2 if module_of(2) != plumbing else 3)
                elif (called := (frame := getframe(1)).f_code) is by_create or (
                    called is by_ensure and (frame := frame.f_back).f_code is by_gather
                ):
                    frame = frame.f_back
                code = coro.cr_code if type(coro) is coroutine_type else None
                node = guesses(frame.f_lasti + id(code))
                if node is None or node.code is not frame.f_code or node.started is not code:
                    site = find(frame, coro, self)
                else:
                    site = node.site or follow(node, frame) or find(frame, coro, self)
                now = monotonic()
                left = site.samples_until_stack = site.samples_until_stack - 1
                if left <= 0:
                    table.capture_stack(site, frame, now, task)
                if (creator := current_task(self)) is None or (made_by := latest_creator)() is not creator:
                    made_by = current_thread_reference() if creator is None else (latest_creator := ref(creator))
                span = found.get(span_key) if (found := context()) else None
                if span is None or (made_in := latest_span.record).reference() is not span:
                    made_in = None if span is None else creator_span(span)
                known = getweakrefs(task) if reuses else ()
                entries += (known[0] if len(known) == 1 else ref(task), site, now, made_by, made_in, id(task))
                if len(entries) > young.limit:
                    young.prune()
            return task
        except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
            return failure(error, disarm, task)
        finally:
            del task

    return create_task, disarm


def threadsafe_hook(
    hand_over: Callable[..., Any], table: SiteTable, failure: HookFailure
) -> tuple[Callable[..., Any], Callable[[], None]]:
    """Build the replacement of `asyncio.run_coroutine_threadsafe`, whose caller is the creation site of the task.

    Args:
        hand_over: The function being replaced.
        table: The sites of tasks.
        failure: Called when the hook raises.

    Returns:
        The replacement, and a function that permanently disables the hook in it.
    """
    getframe = sys._getframe
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    def run_coroutine_threadsafe(coro: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if armed and type(coro) is CoroutineType:
                table.expect(coro, getframe(1))
        except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
            failure(error, disarm)
        return hand_over(coro, *args, **kwargs)

    return run_coroutine_threadsafe, disarm


def own_code(name: str) -> CodeType | None:
    """Return the code of a function of `asyncio.tasks`, or None if it has been replaced."""
    import asyncio

    code = getattr(getattr(asyncio.tasks, name, None), "__code__", None)
    return code if isinstance(code, CodeType) and code.co_filename == asyncio.tasks.__file__ else None


def _no_module(_depth: int) -> None:
    """Replace ``sys._getframemodulename`` on versions without it."""


def _hide_own_frame(task: Any) -> None:
    """Remove this package's frame from a debug-mode creation traceback, as asyncio removes its own."""
    traceback = getattr(task, "_source_traceback", None)
    if traceback and traceback[-1].name == "create_task" and traceback[-1].filename == __file__:
        del traceback[-1]
