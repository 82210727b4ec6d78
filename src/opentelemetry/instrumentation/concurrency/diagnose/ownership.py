"""Who waits for a task: the owners, found by reading its done callbacks, never by touching the task.

An owner is an undone task or future that awaits, gathers, shields or groups the task, or waits for it. It counts only
if the chain of owners ends in something that is not itself waiting on that chain: a cycle owns nothing. Callbacks of
the application are bookkeeping (``background_tasks.discard``) unless they reach an undone future that somebody awaits.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, Final

_CHAIN_LIMIT: Final = 10_000
_REACH_LIMIT: Final = 200
_CUT: Final = (
    type, ModuleType, FunctionType, CodeType, FrameType, TracebackType, BaseException, str, bytes, int, float
)  # fmt: skip

_OTHER_OWNER: Final = object()
"""Stands for an owner that is no asyncio future, such as the thread behind a concurrent future."""


def is_owned(task: Any) -> bool:
    """Tell whether something that still runs waits for ``task``.

    Cost: a few hundred nanoseconds for a task with no callbacks; else proportional to its chain of owners.
    """
    seen = {id(task)}
    chain = [task]
    while chain and len(seen) < _CHAIN_LIMIT:
        waited_for = chain.pop()
        owners = list(owners_of(waited_for))
        if not owners and waited_for is not task:
            return True
        for owner in owners:
            if owner is _OTHER_OWNER:
                return True
            if id(owner) not in seen:
                seen.add(id(owner))
                chain.append(owner)
    return len(seen) >= _CHAIN_LIMIT


def owners_of(future: Any) -> Iterator[Any]:
    """Yield the undone tasks and futures that wait directly for ``future``."""
    for callback in _callbacks(future):
        yield from _owners_behind(callback)
    awaited_by = getattr(future, "_asyncio_awaited_by", None)  # ≥ 3.14: exact, and knows anyio's host tasks
    if awaited_by:
        for owner in awaited_by if isinstance(awaited_by, (set, frozenset)) else (awaited_by,):
            if not owner.done():
                yield owner


def owning_tasks(task: Any) -> list[Any]:
    """Return the undone tasks that wait for ``task``, directly or behind gathers, shields and other futures.

    Cost: as `is_owned`, to the nearest tasks only.
    """
    found: dict[int, Any] = {}
    seen = {id(task)}
    pending = [task]
    while pending and len(seen) < _REACH_LIMIT:
        for owner in owners_of(pending.pop()):
            if owner is _OTHER_OWNER or id(owner) in seen:
                continue
            seen.add(id(owner))
            if _is_task(owner):
                found[id(owner)] = owner
            else:
                pending.append(owner)
    return list(found.values())


def linked_concurrent_future(task: Any) -> Any | None:
    """Return the `concurrent.futures.Future` that ``run_coroutine_threadsafe`` tied to ``task``, or None."""
    for callback in _callbacks(task):
        function = getattr(callback, "__func__", callback)
        if type(function) is FunctionType and function.__qualname__ == "_chain_future.<locals>._call_set_state":
            futures = sys.modules["concurrent.futures"]
            for value in _closure(function):
                if isinstance(value, futures.Future):
                    return value
    return None


def _callbacks(future: Any) -> list[Any]:
    callbacks = getattr(future, "_callbacks", None)
    if not callbacks:
        return []
    return [entry[0] if type(entry) is tuple else entry for entry in list(callbacks)]


def _owners_behind(callback: Any) -> Iterator[Any]:
    kind = type(callback)
    if kind is BuiltinMethodType and type(callback.__self__) in (set, list, dict):
        return
    if kind.__name__ == "TaskWakeupMethWrapper" or (
        kind in (BuiltinMethodType, MethodType) and callback.__name__.endswith("wakeup")
    ):
        # The C or Python wake-up of a task that awaits the future.
        holder = getattr(callback, "__self__", None)
        for found in [holder] if holder is not None else gc.get_referents(callback):
            if _is_undone_future(found):
                yield found
        return
    owner = _known_owner(callback)
    if owner is not None:
        yield owner
        return
    for found in _futures_within_reach(callback):
        if _is_asyncio(callback) or any(True for _ in owners_of(found)):
            yield found


def _known_owner(callback: Any) -> Any | None:
    """Return the owner behind the callback of a task group or of ``run_coroutine_threadsafe``."""
    holder = getattr(callback, "__self__", None)
    if holder is None:
        holder = next((v for v in _closure(callback) if type(v).__name__ == "TaskGroup"), None)
    if type(holder).__name__ == "TaskGroup":
        module = type(holder).__module__
        if module.startswith("asyncio"):
            return _if_undone(getattr(holder, "_parent_task", None))
        if module.startswith("anyio"):
            scope = getattr(holder, "cancel_scope", None)
            return _if_undone(getattr(scope, "_host_task", None))
    futures = sys.modules.get("concurrent.futures")
    if futures is not None and _is_asyncio(callback):
        for value in _closure(callback):
            if isinstance(value, futures.Future) and not value.done():
                return _OTHER_OWNER
    return None


def _futures_within_reach(callback: Any) -> Iterator[Any]:
    """Yield the undone futures (not tasks) that a callback's closure leads to, looking at 200 objects at most."""
    seen: set[int] = set()
    pending = list(_closure(callback))
    while pending and len(seen) < _REACH_LIMIT:
        found = pending.pop()
        if id(found) in seen or isinstance(found, _CUT):
            continue
        seen.add(id(found))
        if _is_future(found):
            # A finished one owns nothing; through its exception every local of the application could be reached.
            if not found.done() and not _is_task(found):
                yield found
            continue
        if hasattr(found, "get_coro") or hasattr(found, "cr_frame") or hasattr(found, "run_forever"):
            continue
        pending.extend(gc.get_referents(found)[:_REACH_LIMIT])


def _closure(callback: Any) -> list[Any]:
    if type(callback).__name__ == "partial":
        return [*callback.args, *callback.keywords.values(), *_closure(callback.func)]
    if isinstance(callback, MethodType):
        return [callback.__self__, *_closure(callback.__func__)]
    if type(callback) is FunctionType:
        cells = []
        for cell in callback.__closure__ or ():
            try:
                cells.append(cell.cell_contents)
            except ValueError:  # an empty cell
                continue
        return [*cells, *(callback.__defaults__ or ())]
    if isinstance(callback, BuiltinMethodType):
        return [callback.__self__]
    return gc.get_referents(callback)


def _is_asyncio(callback: Any) -> bool:
    function = callback
    while type(function).__name__ == "partial":
        function = function.func
    module = getattr(function, "__module__", None)
    return isinstance(module, str) and module.startswith("asyncio")


def _is_future(found: Any) -> bool:
    futures = sys.modules["asyncio.futures"]
    return isinstance(found, (futures.Future, futures._PyFuture))


def _is_undone_future(found: Any) -> bool:
    return _is_future(found) and not found.done()


def _is_task(found: Any) -> bool:
    tasks = sys.modules["asyncio.tasks"]
    return isinstance(found, (tasks.Task, tasks._PyTask))


def _if_undone(task: Any) -> Any | None:
    return task if task is not None and not task.done() else None
