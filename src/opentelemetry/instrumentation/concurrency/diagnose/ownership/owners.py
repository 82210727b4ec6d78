"""Owners of tasks, read from done callbacks without changing the task.

An owner is a pending task or future that awaits, gathers, shields or groups the task, or otherwise waits for it. It
counts only if the chain of owners ends outside itself: a cycle owns nothing. Callbacks of the application are
considered bookkeeping (``background_tasks.discard``) unless a pending future that something awaits is in their closure
or arguments, or a direct attribute of these; queues, events, locks, streams and transports are not searched.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator
from types import (
    BuiltinMethodType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any, Final

from ...record.raw_fields import named_attributes, type_name
from ..introspection.fields import attribute_of, awaited_by, concurrent_state, has_method, is_a, is_pending_concurrent
from ..introspection.known_waits import callbacks_of, is_future, is_pending, is_task, type_module

_CHAIN_LIMIT: Final = 10_000
_REACH_LIMIT: Final = 200
_MAX_NESTED: Final = 100
_CUT: Final = (
    type, ModuleType, FunctionType, CodeType, FrameType, TracebackType, BaseException, str, bytes, int, float,
    CoroutineType,
)  # fmt: skip
_PRIMITIVES: Final = frozenset({"asyncio", "uvloop", "anyio"})
"""Packages whose queues, events, locks, streams and transports hold futures of their users."""
_CONTAINERS: Final = (set, frozenset, dict)
_COROUTINES_AND_LOOPS: Final = ("cr_frame", "run_forever")
_function_of: Final[Any] = functools.partial.__dict__["func"].__get__
_arguments_of: Final[Any] = functools.partial.__dict__["args"].__get__
_keywords_of: Final[Any] = functools.partial.__dict__["keywords"].__get__

ANYIO_SCOPE: Final = "cancel_scope"
"""Field with the cancel scope of anyio's task groups."""
ANYIO_HOST: Final = "_host_task"
"""Field with the task that entered a cancel scope of anyio."""

_OTHER_OWNER: Final = object()
"""Represents an owner that is not an asyncio future, such as the thread behind a concurrent future."""


def is_owned(task: Any) -> bool:
    """Return whether something that still runs waits for ``task``. Runs no code of the application.

    Cost: a few hundred nanoseconds for a task without callbacks; otherwise proportional to its chain of owners.
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
    """Yield the pending tasks and futures that wait directly for ``future``."""
    for callback in callbacks_of(future):
        yield from _owners_behind(callback)
    for owner in awaited_by(future):  # ≥ 3.14: exact, and includes anyio's host tasks
        if is_pending(owner):
            yield owner


def owning_tasks(task: Any) -> list[Any]:
    """Return the pending tasks that wait for ``task``, directly or through gathers, shields and other futures.

    Cost: like `is_owned`, but only up to the nearest tasks.
    """
    found: dict[int, Any] = {}
    seen = {id(task)}
    pending = [task]
    while pending and len(seen) < _REACH_LIMIT:
        for owner in owners_of(pending.pop()):
            if owner is _OTHER_OWNER or id(owner) in seen:
                continue
            seen.add(id(owner))
            if is_task(owner):
                found[id(owner)] = owner
            else:
                pending.append(owner)
    return list(found.values())


def group_hosts(task: Any) -> list[Any]:
    """Return the pending tasks whose task groups contain ``task``, and which can therefore cancel it.

    Cost: like `owners_of`.
    """
    hosts = []
    for callback in callbacks_of(task):
        if type(callback) is not BuiltinMethodType:
            host = _known_owner(callback)
            if host is not None and host is not _OTHER_OWNER:
                hosts.append(host)
    return hosts


def linked_concurrent_future(task: Any) -> Any | None:
    """Return the `concurrent.futures.Future` that ``run_coroutine_threadsafe`` linked to ``task``, or None."""
    for callback in callbacks_of(task):
        function = callback.__func__ if type(callback) is MethodType else callback
        if type(function) is FunctionType and function.__qualname__ == "_chain_future.<locals>._call_set_state":
            for value in _closure(function):
                if concurrent_state(value) is not None:
                    return value
    return None


def _owners_behind(callback: Any) -> Iterator[Any]:
    kind = type(callback)
    if kind is BuiltinMethodType and issubclass(type(callback.__self__), (set, list, dict)):
        return
    if type_name(kind) == "TaskWakeupMethWrapper" or _name_of(callback).endswith("wakeup"):
        # The wake-up method, in C or Python, of a task that awaits the future.
        holder = _holder_of(callback)
        for found in [holder] if holder is not None else gc.get_referents(callback):
            if is_pending(found):
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
    """Return the owner behind a callback of a task group or of ``run_coroutine_threadsafe``, or None."""
    holder = _holder_of(callback)
    closure = _closure(callback) if holder is None else [holder]
    for each in closure:
        if is_a(each, "TaskGroup", "asyncio"):
            return _if_undone(attribute_of(each, "_parent_task"))
        if is_a(each, "TaskGroup", "anyio"):
            return _if_undone(attribute_of(attribute_of(each, ANYIO_SCOPE), ANYIO_HOST))
    if _is_asyncio(callback) and any(map(is_pending_concurrent, _closure(callback))):
        return _OTHER_OWNER
    return None


def _futures_within_reach(callback: Any) -> Iterator[Any]:
    """Yield the pending futures (not tasks) in a callback's closure and arguments, and in direct attributes of these.

    The search is limited to these: through a supervisor's queue, every job that its manager starts would have an owner.
    """
    seen: set[int] = set()
    for found in _closure(callback):
        for each in (found, *_held_directly(found)):
            # Finished futures own nothing, and their exceptions would lead to all local variables of the application.
            if id(each) not in seen and is_future(each) and is_pending(each) and not is_task(each):
                seen.add(id(each))
                yield each


def _held_directly(found: Any) -> list[Any]:
    kind = type(found)
    if issubclass(kind, _CUT) or is_future(found):
        return []
    # Compared by identity: a metaclass may define its own equality.
    if kind is list or kind is tuple:
        # A gather of a hundred thousand tasks has them in a list, which each of them leads to.
        return list(found[:_REACH_LIMIT])
    if any(kind is each for each in _CONTAINERS):
        return gc.get_referents(found)[:_REACH_LIMIT]
    if type_module(kind).partition(".")[0] in _PRIMITIVES:
        return []
    if any(has_method(kind, name) for name in _COROUTINES_AND_LOOPS):
        return []
    return [value for _, value in named_attributes(found)]


def _closure(callback: Any) -> list[Any]:
    found: list[Any] = []
    for _ in range(_MAX_NESTED):
        kind = type(callback)
        if issubclass(kind, functools.partial):
            found += [*_arguments_of(callback), *dict.values(_keywords_of(callback))]
            callback = _function_of(callback)
        elif kind is MethodType:
            found.append(callback.__self__)
            callback = callback.__func__
        else:
            break
    if kind is FunctionType:
        for cell in callback.__closure__ or ():
            try:
                found.append(cell.cell_contents)
            except ValueError:  # an empty cell
                continue
        return [*found, *(callback.__defaults__ or ())]
    return [*found, *([callback.__self__] if kind is BuiltinMethodType else gc.get_referents(callback))]


def _name_of(callback: Any) -> str:
    """Return the name of a bound method, in C or Python; empty for other objects."""
    if type(callback) is BuiltinMethodType:
        return callback.__name__
    function = callback.__func__ if type(callback) is MethodType else None
    return function.__name__ if type(function) is FunctionType else ""


def _holder_of(callback: Any) -> Any | None:
    return callback.__self__ if issubclass(type(callback), (BuiltinMethodType, MethodType)) else None


def _is_asyncio(callback: Any) -> bool:
    function = callback
    for _ in range(_MAX_NESTED):
        if issubclass(type(function), functools.partial):
            function = _function_of(function)
        elif type(function) is MethodType:
            function = function.__func__
        else:
            break
    module = function.__module__ if issubclass(type(function), (FunctionType, BuiltinMethodType)) else None
    return type(module) is str and module.startswith("asyncio")


def _if_undone(task: Any) -> Any | None:
    return task if is_pending(task) else None
