"""From a task's coroutine down to its innermost await: the suspended frames, and the object they wait for.

This module decides what is suspended where; what such a wait is called is ``wait_reason``'s question, and who may end
it is ``wakeability``'s. It assumes and guarantees:

* It reads only attributes that are fixed in C, through exact types or C descriptors, so no code of the application
  runs: objects may lie about ``__class__`` and raise from ``__getattr__``, ``__eq__`` or ``__hash__``.
* It never raises, never recurses, and keeps no frame, coroutine or local alive but ``AwaitChain.awaited``.
* The picture is weakly consistent: another thread's loop may move the coroutine on during the walk.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from types import AsyncGeneratorType, CellType, CoroutineType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..record.naming import line_of
from .known_waits import (
    c_field,
    callbacks_of,
    coroutine_of,
    first_undone_child,
    is_future,
    is_pending,
    is_relative,
    is_task,
    shielded_by,
    type_module,
    type_name,
    waiter_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, FrameType

MAX_FRAMES_REMEMBERED: Final = 10_000
"""Frames shared between chains at most; a program that generates code starts the memory anew beyond that."""

_MAX_WRAPPERS: Final = 32
_MAX_WAITERS: Final = 100_000
_STATIC_TYPE_MASK: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: only types made in C are without it
_C_WRAPPERS: Final = frozenset(
    {"async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper", "FutureIter"}
)
WRAPPER_COROUTINES: Final = {
    ("opentelemetry", "trace_coroutine"),
    ("anyio", "_run_coro"),
    ("anyio", "_run_wrapped_task"),
    ("uvloop", "wrapper"),
    ("sentry_sdk", "_task_with_sentry_span_creation"),
    ("aiomonitor", "_coro_wrapper"),
    ("ddtrace", "traced_coro"),
}
_FRAME_HOLDS_LOCALS: Final = sys.version_info < (3, 11)
_WAIT_FOR_MAKES_TASK: Final = sys.version_info < (3, 12)
_type_flags: Final[Any] = type.__dict__["__flags__"].__get__


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of an await chain, without the frame object and without locals.

    Group by ``(id(code), lasti)``: hashing or comparing a Frame compares code objects by structure.

    Attributes:
        code: The code that is suspended or runs.
        line: Its source line; the first line of ``code`` where the instruction has none.
        module: The ``__name__`` of its globals; empty if unknown.
        lasti: Offset of its last instruction in bytes; -1 before the first.
    """

    code: CodeType
    line: int
    module: str
    lasti: int


class AwaitChain(NamedTuple):
    """The frames of one task from its coroutine inwards, and what the innermost one awaits.

    Attributes:
        frames: Outermost first, innermost last. Of a running coroutine: also the plain calls inside it.
        awaited: The innermost awaitable (future, iterator, …), None after a bare yield. Drop it quickly.
        running: Whether the coroutine was executing.
        truncated: Whether ``frames`` was cut at the limit.
        partial: Why the chain could not be followed to its end, for people; None if it was.
    """

    frames: tuple[Frame, ...]
    awaited: object | None
    running: bool
    truncated: bool
    partial: str | None


def walk_await_chain(
    coro: object, *, limit: int = 10_000, current_frames: Mapping[int, FrameType] | None = None
) -> AwaitChain:
    """Follow ``coro`` down to its innermost await, through async generators and wrappers. Never raises.

    On Python ≤ 3.11 ``wait_for`` runs a coroutine in a task of its own; when nobody else waits for that task it is
    followed as if it were awaited, so that chains look alike on all versions.

    Args:
        coro: A task's coroutine.
        limit: Frames to give at most.
        current_frames: ``sys._current_frames()``, to see inside a coroutine that is running.

    Cost: 3 µs a chain and 0.5 µs a frame. On ≥ 3.11 a coroutine that was looked at keeps a frame object of 150 to 180
    bytes until it ends, so walk the chains of suspects and of what somebody asked for, not of all tasks at each scan.
    """
    frames: list[Frame] = []
    try:
        return _walk(coro, frames, limit, current_frames)
    except Exception as error:  # noqa: BLE001 (an observer must not fail because of what it observes)
        return AwaitChain(tuple(frames), None, False, False, f"the walk failed with {type(error).__name__}")


def plumbing_free_coroutine(coro: object) -> object:
    """Return the coroutine that a known wrapper, not yet started, will await; ``coro`` itself if it wraps nothing.

    A started wrapper is left alone: the await chain leads through it.
    """
    try:
        for _ in range(_MAX_WRAPPERS):
            inner = _wrapped_by(coro)
            if inner is None:
                break
            coro = inner
    except Exception:  # noqa: BLE001, S110 (an observer must not fail because of what it observes)
        pass
    return coro


def leaf_waiter(task: object) -> object | None:
    """Return the waiter of ``task``, followed through awaited tasks, ``shield`` and the first undone of ``gather``.

    Where the way ends in a circle, this is the last waiter before it would repeat. None if the task waits for nothing
    or is no asyncio task. Never raises.

    Cost: 2 µs, and 1 µs for each step after the first.
    """
    leaf: object | None = None
    try:
        waiter = waiter_of(task)
        seen = {id(task)}
        while waiter is not None and id(waiter) not in seen and len(seen) <= _MAX_WAITERS:
            seen.add(id(waiter))
            leaf = waiter
            if not is_pending(waiter):
                break
            # Not by truth: that may be asked of the application's own class.
            ways = (waiter_of(waiter), first_undone_child(waiter), shielded_by(waiter))
            waiter = next((each for each in ways if each is not None), None)
    except Exception:  # noqa: BLE001, S110 (an observer must not fail because of what it observes)
        pass
    return leaf


def _walk(step: Any, frames: list[Frame], limit: int, current_frames: Mapping[int, FrameType] | None) -> AwaitChain:
    before: Any = None
    followed = {id(step)}
    while True:
        seen = _look(step)
        if seen is None:
            step = _through_wrappers(step)
            seen = None if is_future(step) else _look(step)
        if seen is None:
            inner = _inside_wait_for(before, frames, step) if _WAIT_FOR_MAKES_TASK and frames else None
            if inner is None or id(inner) in followed:
                return AwaitChain(tuple(frames), step if frames else None, False, False, _why_opaque(step))
            followed.add(id(inner))
            before, step = None, inner
            continue
        if len(frames) >= limit:
            return AwaitChain(tuple(frames), None, False, True, f"cut after {limit} frames")
        inner, frame = seen
        if frame is None:
            return AwaitChain(tuple(frames), None, False, False, "it ended before or while it was looked at")
        frames.append(_frame(frame))
        if inner is True:
            return _running(frames, frame, limit, current_frames)
        if inner is None:
            return _suspended_without_await(step, frame, frames)
        before, step = step, inner


def _look(step: Any) -> tuple[Any, FrameType | None] | None:
    """Return what ``step`` awaits (True: it is executing) and its frame; None if it is nothing that has a frame.

    The attributes are read in one expression whose ``or`` falls through without a jump: no other thread can run in
    between, and ``cr_await`` of an executing frame, which reads a stack that moves, is never asked for.
    """
    kind = type(step)
    if kind is CoroutineType:
        return step.cr_running or step.cr_await, step.cr_frame
    if kind is GeneratorType:
        return step.gi_running or step.gi_yieldfrom, step.gi_frame
    if kind is AsyncGeneratorType:
        # ag_running says that an asend() is under way, not that the frame executes.
        return step.ag_await, step.ag_frame
    fields = _cython_fields(kind)
    if fields is None:
        return None
    running, awaiting, frame = (field.__get__(step) for field in fields)
    return running or awaiting, frame


def _frame(frame: FrameType) -> Frame:
    code = frame.f_code
    lasti = frame.f_lasti
    module = dict.get(frame.f_globals, "__name__")
    key = (id(code), lasti)
    known = _frames.get(key)
    if known is not None and known.module == module:
        return known
    if type(module) is not str:
        # Cython's frames have empty globals and offsets that say nothing, but a path to tell the module by.
        line = frame.f_lineno or code.co_firstlineno
        return Frame(code, line, _module_of_relative_path(code.co_filename), lasti)
    if len(_frames) >= MAX_FRAMES_REMEMBERED:
        _frames.clear()
    known = _frames[key] = Frame(code, line_of(code, lasti), module, lasti)
    return known


_frames: dict[tuple[int, int], Frame] = {}


def _module_of_relative_path(path: str) -> str:
    stem, dot, _ = path.rpartition(".")
    return stem.replace("\\", "/").replace("/", ".") if dot and is_relative(path) else ""


def _running(
    frames: list[Frame], frame: FrameType, limit: int, current_frames: Mapping[int, FrameType] | None
) -> AwaitChain:
    if current_frames is None:
        return AwaitChain(tuple(frames), None, True, False, None)
    for top in current_frames.values():
        inner: list[FrameType] = []
        current: FrameType | None = top
        while current is not None and current is not frame:
            inner.append(current)
            current = current.f_back
        if current is frame:
            room = limit - len(frames)
            frames.extend(_frame(each) for each in inner[::-1][:room])
            cut = f"cut after {limit} frames" if len(inner) > room else None
            return AwaitChain(tuple(frames), None, True, cut is not None, cut)
    return AwaitChain(tuple(frames), None, True, False, "the thread that ran it had moved on")


def _suspended_without_await(step: Any, frame: FrameType, frames: list[Frame]) -> AwaitChain:
    kind = type(step)
    if kind is GeneratorType and frames[-1].module == "asyncio.futures" and frame.f_code.co_name == "__await__":
        # Without this frame the chain is the same whether the future is C's or Python's.
        frames.pop()
        future = next((each for each in _locals_of(step, frame) if is_future(each)), None)
        return AwaitChain(tuple(frames), future, False, False, None)
    moved = "the async generator was between two awaits" if kind is AsyncGeneratorType else None
    return AwaitChain(tuple(frames), None, False, False, moved)


def _why_opaque(leaf: object) -> str | None:
    if leaf is None or is_future(leaf):
        return None
    return f"an object of type {type_module(type(leaf))}.{type_name(type(leaf))} does not show what it awaits"


def _through_wrappers(step: object) -> object:
    """Pass the objects that have no link attribute; return the first that has a frame, or the last of all."""
    for _ in range(_MAX_WRAPPERS):
        inner = _wrapped(step)
        if inner is None:
            break
        step = inner
        if is_future(step) or _has_frame(step):
            break
    return step


def _wrapped(step: object) -> object | None:
    kind = type(step)
    name = type_name(kind)
    if name in _C_WRAPPERS:
        if not _type_flags(kind) & _STATIC_TYPE_MASK or (name == "FutureIter" and type_module(kind) == "_asyncio"):
            # What it wraps comes first; a value sent into it (which may be a coroutine, too) comes after.
            for each in gc.get_referents(step):
                if each is not kind:
                    return each  # type: ignore[no-any-return]
            return None
        if _is_cython(kind):
            return next((each for each in gc.get_referents(step) if _has_frame(each)), None)
    return None if is_future(step) or step is None else _only_coroutine_within(step, started=True)


def _only_coroutine_within(holder: object, *, started: bool) -> object | None:
    """Return the one coroutine that an object of unknown type holds: aiohttp's request managers, proxies."""
    found: object | None = None
    for each in gc.get_referents(holder):
        for candidate in list(dict.values(each)) if type(each) is dict else (each,):
            if not _has_frame(candidate) or candidate is found:
                continue
            seen = _look(candidate)
            if started and (seen is None or seen[0] is None):
                continue
            if found is not None:
                return None
            found = candidate
    return found


def _has_frame(candidate: object) -> bool:
    kind = type(candidate)
    return (
        kind is CoroutineType or kind is GeneratorType or kind is AsyncGeneratorType or _cython_fields(kind) is not None
    )


def _is_cython(kind: type) -> bool:
    return type_module(kind).startswith("_cython")


def _cython_fields(kind: type) -> tuple[Any, Any, Any] | None:
    known = _cython_kinds.get(id(kind))
    if known is not None:
        return known[1]
    if not _is_cython(kind):
        return None
    found: tuple[Any, Any, Any] | None = None
    for running, awaiting, frame in (
        ("cr_running", "cr_await", "cr_frame"),
        ("gi_running", "gi_yieldfrom", "gi_frame"),
        ("ag_running", "ag_await", "ag_frame"),
    ):
        fields = tuple(c_field(kind, name) for name in (running, awaiting, frame))
        if all(fields):
            found = (fields[0], fields[1], fields[2])
            break
    # The type is kept alive with its entry, else its id could come to mean another type.
    _cython_kinds[id(kind)] = (kind, found)
    return found


_cython_kinds: dict[int, tuple[type, tuple[Any, Any, Any] | None]] = {}


def _inside_wait_for(coro: object, frames: list[Frame], waiter: object) -> object | None:
    """Return what ``asyncio.wait_for`` of Python ≤ 3.11 waits for behind the future that it awaits."""
    innermost = frames[-1]
    if innermost.code.co_name != "wait_for" or innermost.module != "asyncio.tasks" or type(coro) is not CoroutineType:
        return None
    for each in _locals_of(coro, coro.cr_frame):
        callbacks = callbacks_of(each) if each is not waiter and is_future(each) else ()
        if not any(_releases(callback, waiter) for callback in callbacks):
            continue
        inner = coroutine_of(each) if is_task(each) and len(callbacks) == 1 else None
        return each if inner is None else inner
    return None


def _releases(callback: Any, waiter: object) -> bool:
    # functools.partial is a C type: its fields are safe to read.
    if type_name(type(callback)) != "partial" or type_module(type(callback)) != "functools":
        return False
    function, arguments = callback.func, callback.args
    return type(function) is FunctionType and len(arguments) > 0 and arguments[0] is waiter


def _locals_of(coro: object, frame: FrameType | None) -> list[Any]:
    # Not f_locals: below 3.13 that leaves a dictionary behind that keeps the values alive.
    return gc.get_referents(frame if _FRAME_HOLDS_LOCALS else coro)


def _wrapped_by(coro: Any) -> object | None:
    if type(coro) is not CoroutineType:
        return None
    running, frame = coro.cr_running or coro.cr_await, coro.cr_frame
    if running is not None or frame is None:
        return None
    module = dict.get(frame.f_globals, "__name__")
    package = module.partition(".")[0] if type(module) is str else ""
    if (package, frame.f_code.co_name) not in WRAPPER_COROUTINES:
        return None
    holders: list[object] = []
    for each in _locals_of(coro, frame):
        held = each.cell_contents if type(each) is CellType and gc.get_referents(each) else each
        if _has_frame(held):
            return held  # type: ignore[no-any-return]
        if type_module(type(held)).startswith("anyio."):
            holders.append(held)
    # anyio ≥ 4.13 keeps the coroutine in a handle, not in a local.
    return next((inner for each in holders if (inner := _only_coroutine_within(each, started=False))), None)
