"""Started objects: coroutines behind wrappers, held callables, code and names.

A guard such as ``guarded(coro)``, anyio's ``start_soon`` or ``wait_for`` starts a coroutine of its own, which holds the
coroutine that a reader would name. Only unstarted coroutines count: a running wrapper is resolved by its await chain.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Iterator
from contextvars import Context
from inspect import CO_COROUTINE
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any, Final

from .internals.of_threading import ARGUMENTS, KEYWORDS, TARGET
from .naming import function_name
from .plumbing import is_plumbing
from .raw_fields import (
    attributes_of,
    c_field,
    items_within,
    module_name,
    named_attributes,
    type_dict,
    type_mro,
    type_name,
)

_FRAME_HOLDS_LOCALS: Final = sys.version_info < (3, 11)
_MAX_WRAPPERS: Final = 32
_MAX_DEPTH: Final = 3
_MAX_HELD: Final = 200
_MAX_UNWRAPPED: Final = 16

_partial_function: Final[Any] = functools.partial.__dict__["func"].__get__
_partial_arguments: Final[Any] = functools.partial.__dict__["args"].__get__
_partial_keywords: Final[Any] = functools.partial.__dict__["keywords"].__get__
_type_module: Final[Any] = type.__dict__["__module__"].__get__
_type_qualified_name: Final[Any] = type.__dict__["__qualname__"].__get__
_GENERATOR_STEPS: Final = frozenset({"async_generator_asend", "async_generator_athrow"})
HANDING_OVER: Final = frozenset({"anyio.from_thread", "anyio._backends._asyncio"})
"""Modules whose coroutines call a function handed over by another thread."""
_CALLING: Final = frozenset({*HANDING_OVER, "anyio.to_thread", "asyncio.threads"})
"""Modules whose coroutines call the first function that they were given, in this thread or another."""
_PLAIN: Final = frozenset(map(id, (str, bytes, int, float, bool, type(None), complex, CodeType, type)))
"""By identity: the metaclass of a type may define its own hash."""


def code_of(target: object) -> tuple[CodeType | None, str]:
    """Return the code of a coroutine, generator or function and its module name, without running any of its code.

    A step of an asynchronous generator (``aclose()``, ``asend()``) has the code of the generator.
    """
    target = generator_behind(target)
    for code_name, frame_name in (("cr_code", "cr_frame"), ("gi_code", "gi_frame"), ("ag_code", "ag_frame")):
        field = c_field(type(target), code_name)
        code = None if field is None else _read(field, target)
        if isinstance(code, CodeType):
            frame_field = c_field(type(target), frame_name)
            frame = None if frame_field is None else _read(frame_field, target)
            module = module_name(frame.f_globals) if isinstance(frame, FrameType) else ""
            return code, module or _module_of_path(code.co_filename)
    functions = list(functions_behind(target))
    if functions:
        # A decorator that gives its own function the name of the decorated one is replaced by the decorated one.
        function = [each for each in functions if each.__qualname__ == functions[0].__qualname__][-1]
        module = function.__module__
        return function.__code__, module if type(module) is str else ""
    # A function compiled by Cython, or an object that acts as a function and exposes its code.
    code = attributes_of(target).get("__code__")
    named = attributes_of(target).get("__module__")
    return (code if type(code) is CodeType else None), named if type(named) is str else ""


def generator_behind(target: object) -> object:
    """Return the asynchronous generator that an ``aclose()``, ``asend()`` or ``athrow()`` runs, else ``target``."""
    kind = type(target)
    if type_name(kind) in _GENERATOR_STEPS and _type_module(kind) == "builtins":
        return next((referent for referent in gc.get_referents(target) if type(referent) is AsyncGeneratorType), target)
    return target


def name_of_target(target: object) -> str:
    """Return the qualified name, with module, of a coroutine, function or callable; else the name of the type."""
    code, module = code_of(target)
    if code is not None:
        return function_name(code, module)
    if type(target) is MethodType:
        target = target.__func__
    # Classes, and functions and methods written in C or compiled by Cython.
    fields = [c_field(type(target), each) for each in ("__qualname__", "__module__")]
    name, module = ("" if field is None else _read(field, target) for field in fields)
    if type(name) is str and name:
        return f"{module}.{name}" if type(module) is str and module else name
    return name_of_type(type(target))


def name_of_call(item: dict[str, Any]) -> str:
    """Return the qualified name of the function in an executor's work item, given its attributes."""
    called, arguments = item.get("fn"), item.get("args")
    task = item.get("task")
    if called is None and type(task) is tuple and len(task) > 1:
        # The form since 3.14.
        called, arguments = task[0], task[1]
    for _ in range(_MAX_UNWRAPPED):
        if issubclass(type(called), functools.partial):
            called, arguments = _partial_function(called), _partial_arguments(called)
        elif type(called) is BuiltinMethodType and type(called.__self__) is Context and called.__name__ == "run":
            # `asyncio.to_thread` runs its function in a copy of the caller's context.
            called, arguments = (arguments[0] if type(arguments) is tuple and arguments else None), ()
        else:
            break
    return name_of_target(called)


def name_of_type(kind: type) -> str:
    """Return the qualified name of a type, with module, read from its C fields."""
    module = _type_module(kind)
    return f"{module if type(module) is str else ''}.{_type_qualified_name(kind)}"


def without_partials(target: Any) -> Any:
    """Return the callable at the end of a chain of partials; other objects unchanged."""
    for _ in range(_MAX_UNWRAPPED):
        if not issubclass(type(target), functools.partial):
            break
        target = _partial_function(target)
    return target


def functions_behind(target: object) -> Iterator[FunctionType]:
    """Yield the functions behind a callable, outermost first: partial, bound method, decorator, ``__call__``."""
    for _ in range(_MAX_UNWRAPPED):
        kind = type(target)
        if kind is FunctionType:
            yield target  # type: ignore[misc]  # narrowed by identity of the type
            target = attributes_of(target).get("__wrapped__")
        elif kind is MethodType:
            target = target.__func__  # type: ignore[attr-defined]  # narrowed by identity of the type
        elif issubclass(kind, functools.partial):
            target = _partial_function(target)
        elif (proxied := c_field(kind, "__wrapped__")) is not None:
            target = _read(proxied, target)
        else:
            called = next(
                (type_dict(base)["__call__"] for base in type_mro(kind) if "__call__" in type_dict(base)), None
            )
            if type(called) is FunctionType:
                yield called
            return
        if target is None:
            return


def is_unstarted(candidate: object) -> bool:
    """Return whether an object is a coroutine that has not run yet."""
    if type(candidate) is not CoroutineType:
        return False
    return not candidate.cr_running and candidate.cr_await is None and candidate.cr_frame is not None


def held_by(started: Any) -> list[Any]:
    """Return the arguments and closure of an unstarted coroutine or thread, and the items of containers among them."""
    kind = type(started)
    if kind is CoroutineType:
        direct = _held_by_frame_of(started, started.cr_frame, started.cr_code)
    elif kind is GeneratorType:
        direct = _held_by_frame_of(started, started.gi_frame, started.gi_code)
    else:
        direct = _held_by_callable(attributes_of(started).get(TARGET))
        direct += items_within(attributes_of(started).get(ARGUMENTS))
        direct += items_within(attributes_of(started).get(KEYWORDS))
    found = [each for each in direct if id(type(each)) not in _PLAIN][:_MAX_HELD]
    for each in found[:]:
        found += items_within(each)
    return found[:_MAX_HELD]


def was_given_none(coroutine: object) -> bool:
    """Return whether a coroutine was called with None, directly or in a container: it may be an empty wrapper."""
    if type(coroutine) is not CoroutineType or coroutine.cr_frame is None:
        return False
    own = (coroutine.cr_frame, coroutine.cr_frame.f_globals, coroutine.cr_frame.f_builtins)
    referents = gc.get_referents(own[0] if _FRAME_HOLDS_LOCALS else coroutine)
    return any(
        item is None
        for referent in referents
        if not any(referent is known for known in own)
        for item in (referent, *items_within(referent))
    )


def _held_by_frame_of(coroutine: object, frame: FrameType | None, own: CodeType) -> list[Any]:
    if frame is None:
        return []
    found = []
    own_objects = (frame, frame.f_globals, frame.f_builtins)
    # f_locals is avoided: below 3.13, it leaves a dictionary behind that keeps the values alive.
    for referent in gc.get_referents(frame if _FRAME_HOLDS_LOCALS else coroutine):
        kind = type(referent)
        if kind is CellType:
            found += gc.get_referents(referent)
        elif kind is FunctionType and referent.__code__ is own:
            found += _closure_of(referent)
        elif not any(referent is known for known in own_objects):
            found.append(referent)
    return found


def _held_by_callable(target: object) -> list[Any]:
    found: list[Any] = []
    for _ in range(_MAX_UNWRAPPED):
        kind = type(target)
        if kind is MethodType:
            target = target.__func__  # type: ignore[attr-defined]  # narrowed by identity of the type
        elif issubclass(kind, functools.partial):
            found += [*_partial_arguments(target), *dict.values(_partial_keywords(target))]
            target = _partial_function(target)
        else:
            break
    return [*found, *_closure_of(target)] if type(target) is FunctionType else found


def _closure_of(function: FunctionType) -> list[Any]:
    return list(variables_in_closure(function).values())


def variables_in_closure(function: FunctionType) -> dict[str, Any]:
    """Return the variables of a function's closure, except those without a value."""
    # Read through the collector rather than cell_contents, which raises for an empty cell.
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: content for name, cell in cells for content in gc.get_referents(cell)}


def coroutines_within(started: object) -> list[Any]:
    """Return the unstarted coroutines in the arguments or closure of an object, to a depth of three."""
    found: list[Any] = []
    level = [started]
    for _ in range(_MAX_DEPTH):
        level = [value for holder in level for value in held_by(holder) if is_unstarted(value) and value is not started]
        found += level
        if not level or len(found) > _MAX_HELD:
            break
    return found


def innermost_coroutine(started: object) -> object:
    """Return the coroutine at the end of a chain of wrappers that each hold one unstarted coroutine."""
    for _ in range(_MAX_WRAPPERS):
        if type(started) is not CoroutineType:
            break
        within = [value for value in held_by(started) if is_unstarted(value) and value is not started]
        if not within:
            within = _coroutines_of_plumbing(started)
        if not within or any(each is not within[0] for each in within):
            break
        started = within[0]
    return started


def function_renamed_to(coroutine: object) -> FunctionType | None:
    """Return the decorated function whose name a decorator gave to a coroutine (`functools.wraps`), or None."""
    if type(coroutine) is not CoroutineType or coroutine.cr_code.co_name == coroutine.__name__:
        return None
    name = coroutine.__qualname__
    for value in held_by(coroutine):
        for function in functions_behind(value) if type(name) is str else ():
            if function.__qualname__ == name and function.__code__ is not coroutine.cr_code:
                return function
    return None


def called_by_plumbing(coroutine: object) -> object:
    """Return the function that a coroutine of plumbing was given to call; None if it is not such a coroutine.

    Examples are ``to_thread(function)`` and calls through a portal.
    """
    if type(coroutine) is not CoroutineType or module_of(coroutine) not in _CALLING:
        return None
    return next((value for value in held_by(coroutine) if next(functions_behind(value), None) is not None), None)


def name_of_what_runs(inner: object, held: object = None) -> str:
    """Return the qualified name of what runs, given the innermost coroutine and the callable held by its wrapper."""
    given = held if held is not None else called_by_plumbing(inner)
    return name_of_target(function_renamed_to(inner) or inner if given is None else given)


def without_plumbing(started: object) -> object:
    """Return the first coroutine that is not plumbing's, or the object that plumbing awaits; else ``started``."""
    for _ in range(_MAX_WRAPPERS):
        if type(started) is GeneratorType and started.gi_code.co_name == "_wrap_awaitable":
            # Up to Python 3.11, asyncio wraps an awaitable in a generator.
            return next(iter(held_by(started)), started)
        if type(started) is not CoroutineType or not is_plumbing(module_of(started)):
            break
        within = [value for value in held_by(started) if is_unstarted(value)] or _coroutines_of_plumbing(started)
        if within:
            started = within[0]
            continue
        if started.cr_code.co_name == "_wrap_awaitable":
            return next(iter(held_by(started)), started)
        break
    return started


def _coroutines_of_plumbing(started: object) -> list[Any]:
    """Return the coroutine that anyio stores in the handle of a task instead of an argument."""
    if not is_plumbing(module_of(started)):
        return []
    return [
        value
        for holder in held_by(started)
        if _is_anyios(type(holder))
        for _, value in named_attributes(holder)
        if is_unstarted(value)
    ]


def _is_anyios(kind: type) -> bool:
    # Read from C: attribute access may run the code of a metaclass.
    module = _type_module(kind)
    return type(module) is str and module.startswith("anyio.")


def module_of(coroutine: object) -> str:
    """Return the module in which a coroutine's code runs; empty if unknown."""
    frame = coroutine.cr_frame if type(coroutine) is CoroutineType else None
    return module_name(frame.f_globals) if frame is not None else ""


def names_of_function(coroutine: object) -> set[str]:
    """Return the names of a coroutine's function: that of its code and the one that a decorator gave it."""
    if type(coroutine) is not CoroutineType:
        return set()
    return {coroutine.cr_code.co_name, coroutine.__name__}


def is_coroutine_function(candidate: object) -> bool:
    """Return whether calling an object returns a coroutine."""
    return any(function.__code__.co_flags & CO_COROUTINE for function in functions_behind(candidate))


def _read(field: Any, holder: object) -> Any:
    try:
        return field.__get__(holder)
    except (AttributeError, ValueError):  # an empty proxy
        return None


def _module_of_path(path: str) -> str:
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == path:
            return name
    return ""
