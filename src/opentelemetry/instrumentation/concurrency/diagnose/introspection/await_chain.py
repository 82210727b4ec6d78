"""Await chains: the suspended frames of a task and the object it waits for.

This module determines what is suspended where. ``wait_reason`` names the wait, and ``wakeability`` decides whether it
can end.

- It reads only attributes that are fixed in C, through exact types or C descriptors, so no code of the application
  runs: objects may lie about ``__class__`` and raise from ``__getattr__``, ``__eq__`` or ``__hash__``.
- It never raises, never recurses, and keeps no frame, coroutine or local variable alive except ``AwaitChain.awaited``.
- The result is weakly consistent: the loop of another thread may resume the coroutine during the walk.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from types import AsyncGeneratorType, CellType, CoroutineType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...record.naming import line_of
from ...record.raw_fields import c_field, type_name
from .instrumentation_wrappers import WRAPPER_COROUTINES
from .known_waits import (
    callbacks_of,
    coroutine_of,
    first_undone_child,
    is_future,
    is_pending,
    is_relative,
    is_task,
    shielded_by,
    type_module,
    waiter_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, FrameType

MAX_FRAMES_REMEMBERED: Final = 10_000
"""Maximum number of frames shared between chains; beyond it, as with generated code, the cache is cleared."""

_MAX_WRAPPERS: Final = 32
_MAX_WAITERS: Final = 100_000
_HEAPTYPE_FLAG: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: only types defined in C are without it
_C_WRAPPERS: Final = frozenset(
    {"async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper", "FutureIter"}
)
_FRAME_HOLDS_LOCALS: Final = sys.version_info < (3, 11)
_WAIT_FOR_MAKES_TASK: Final = sys.version_info < (3, 12)
_type_flags: Final[Any] = type.__dict__["__flags__"].__get__


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of an await chain, without the frame object and local variables.

    Group frames by ``(id(code), lasti)``: hashing or comparing a Frame compares code objects structurally.

    Attributes:
        code: The suspended or running code.
        line: Its source line; the first line of ``code`` if the instruction has none.
        module: The ``__name__`` of its globals; empty if unknown.
        lasti: Offset of its last instruction in bytes; -1 before the first.
    """

    code: CodeType
    line: int
    module: str
    lasti: int


class AwaitChain(NamedTuple):
    """The frames of a task from its coroutine inwards, and the object that the innermost one awaits.

    Attributes:
        frames: Outermost first, innermost last. For a running coroutine, including the plain calls inside it.
        awaited: The innermost awaitable (future, iterator, …), or None after a bare yield. Drop it quickly.
        running: Whether the coroutine was executing.
        truncated: Whether ``frames`` was cut at the limit.
        partial: Human-readable reason for an incomplete chain; None if it is complete.
    """

    frames: tuple[Frame, ...]
    awaited: object | None
    running: bool
    truncated: bool
    partial: str | None


def walk_await_chain(
    coro: object, *, limit: int = 10_000, current_frames: Mapping[int, FrameType] | None = None
) -> AwaitChain:
    """Follow ``coro`` to its innermost await, through async generators and wrappers. Never raises.

    On Python ≤ 3.11, ``wait_for`` runs a coroutine in a separate task. If nothing else waits for that task, it is
    followed as if it were awaited, so that chains are the same on all versions.

    Args:
        coro: A task's coroutine.
        limit: Maximum number of frames.
        current_frames: ``sys._current_frames()``, to include the calls inside a running coroutine.

    Cost: 3 µs per chain and 0.5 µs per frame. On ≥ 3.11, an inspected coroutine keeps a frame object of 150 to 180
        bytes
    until it ends, so walk only the chains of suspects and of requested tasks, not of all tasks at each scan.
    """
    frames: list[Frame] = []
    try:
        return _walk(coro, frames, limit, current_frames)
    except Exception as error:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return AwaitChain(tuple(frames), None, False, False, f"the walk failed with {type(error).__name__}")


def plumbing_free_coroutine(coro: object) -> object:
    """Return the coroutine that a known wrapper will await if it has not started; ``coro`` itself otherwise.

    A started wrapper is returned unchanged: its await chain includes the coroutine.
    """
    try:
        for _ in range(_MAX_WRAPPERS):
            inner = _wrapped_by(coro)
            if inner is None:
                break
            coro = inner
    except Exception:  # noqa: BLE001, S110 (inspection must not fail, whatever the inspected objects do)
        pass
    return coro


def leaf_waiter(task: object) -> object | None:
    """Return the waiter of ``task``, through awaited tasks, ``shield`` and the first pending child of ``gather``.

    In a cycle, return the last waiter before the cycle repeats. None if the task waits for nothing or is not an asyncio
    task. Never raises.

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
            # Compared with None: a truth test could run code of the application.
            ways = (waiter_of(waiter), first_undone_child(waiter), shielded_by(waiter))
            waiter = next((each for each in ways if each is not None), None)
    except Exception:  # noqa: BLE001, S110 (inspection must not fail, whatever the inspected objects do)
        pass
    return leaf


def _walk(step: Any, frames: list[Frame], limit: int, current_frames: Mapping[int, FrameType] | None) -> AwaitChain:
    before: Any = None
    followed = {id(step)}
    while True:
        seen = _scan(step)
        if seen is None:
            step = _through_wrappers(step)
            seen = None if is_future(step) else _scan(step)
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
            return AwaitChain(tuple(frames), None, False, False, "it finished before or during the inspection")
        frames.append(_frame(frame))
        if inner is True:
            return _running(frames, frame, limit, current_frames)
        if inner is None:
            return _suspended_without_await(step, frame, frames)
        before, step = step, inner


def _scan(step: Any) -> tuple[Any, FrameType | None] | None:
    """Return the object that ``step`` awaits (True if ``step`` is executing) and its frame; None without a frame.

    The attributes are read in one expression whose ``or`` compiles without a jump. No other thread can run in between,
    so ``cr_await`` is never read while the frame executes and its stack changes.
    """
    kind = type(step)
    if kind is CoroutineType:
        return step.cr_running or step.cr_await, step.cr_frame
    if kind is GeneratorType:
        return step.gi_running or step.gi_yieldfrom, step.gi_frame
    if kind is AsyncGeneratorType:
        # ag_running means that an asend() is in progress, not that the frame is executing.
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
        # Frames of Cython have empty globals and meaningless offsets, but a path that determines the module.
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
    return AwaitChain(tuple(frames), None, True, False, "it was running, and its thread had left it before it was read")


def _suspended_without_await(step: Any, frame: FrameType, frames: list[Frame]) -> AwaitChain:
    kind = type(step)
    if kind is GeneratorType and frames[-1].module == "asyncio.futures" and frame.f_code.co_name == "__await__":
        # Without this frame, the chain is the same for futures implemented in C and in Python.
        frames.pop()
        future = next((each for each in _locals_of(step, frame) if is_future(each)), None)
        return AwaitChain(tuple(frames), future, False, False, None)
    moved = "the async generator was between two awaits" if kind is AsyncGeneratorType else None
    return AwaitChain(tuple(frames), None, False, False, moved)


def _why_opaque(leaf: object) -> str | None:
    if leaf is None or is_future(leaf):
        return None
    return f"an object of type {type_module(type(leaf))}.{type_name(type(leaf))} does not expose what it awaits"


def _through_wrappers(step: object) -> object:
    """Skip objects without a link attribute; return the first object with a frame, or the last one found."""
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
        if not _type_flags(kind) & _HEAPTYPE_FLAG or (name == "FutureIter" and type_module(kind) == "_asyncio"):
            # The wrapped object comes first; a value sent into it, possibly a coroutine as well, comes later.
            for each in gc.get_referents(step):
                if each is not kind:
                    return each  # type: ignore[no-any-return]  # get_referents() returns Any
            return None
        if _is_cython(kind):
            return next((referent for referent in gc.get_referents(step) if _has_frame(referent)), None)
    return None if is_future(step) or step is None else _only_coroutine_within(step, started=True)


def _only_coroutine_within(holder: object, *, started: bool) -> object | None:
    """Return the only coroutine in an object of unknown type, such as aiohttp's request managers and proxies."""
    found: object | None = None
    for referent in gc.get_referents(holder):
        for candidate in list(dict.values(referent)) if type(referent) is dict else (referent,):
            if not _has_frame(candidate) or candidate is found:
                continue
            seen = _scan(candidate)
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
    # The entry keeps the type alive, so that its id is not reused.
    _cython_kinds[id(kind)] = (kind, found)
    return found


_cython_kinds: dict[int, tuple[type, tuple[Any, Any, Any] | None]] = {}


def _inside_wait_for(coro: object, frames: list[Frame], waiter: object) -> object | None:
    """Return the object for which ``asyncio.wait_for`` of Python ≤ 3.11 waits behind its own future."""
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
    # functools.partial is implemented in C: its fields can be read safely.
    if type_name(type(callback)) != "partial" or type_module(type(callback)) != "functools":
        return False
    function, arguments = callback.func, callback.args
    return type(function) is FunctionType and len(arguments) > 0 and arguments[0] is waiter


def _locals_of(coro: object, frame: FrameType | None) -> list[Any]:
    # f_locals is avoided: below 3.13, it leaves a dictionary behind that keeps the values alive.
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
            return held  # type: ignore[no-any-return]  # get_referents() returns Any
        if type_module(type(held)).startswith("anyio."):
            holders.append(held)
    # anyio ≥ 4.13 stores the coroutine in a handle rather than in a local variable.
    return next((inner for each in holders if (inner := _only_coroutine_within(each, started=False))), None)
