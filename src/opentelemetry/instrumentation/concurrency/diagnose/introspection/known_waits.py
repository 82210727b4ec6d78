"""Internals of asyncio: fields of futures and tasks, and the code of functions that wait.

Functions are recognized by the identity of their code objects, which are looked up by the names in `waiting_functions`
when the first frame of their module is seen. Nothing is imported, names that a version lacks are never looked up, and
Python 3.10, whose code objects have no qualified names, needs no special case. Fields of futures and tasks are read
through asyncio's own C descriptors, never through an override of a subclass; a field that a version lacks is None.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from ...record.internals.of_futures import is_concurrent_future
from ...record.raw_fields import c_field, type_dict
from .first_callbacks import first_callbacks
from .waiting_functions import Table

_type_module: Final[Any] = type.__dict__["__module__"]
_module_dict: Final[Any] = type_dict(ModuleType)["__dict__"].__get__


def known_wait(table: Table, code: CodeType, module: str) -> str | None:
    """Return the wait reason in ``table`` for the function with this code, or None.

    Cost: one lookup; the first frame of each library function searches its module by name.
    """
    names = table.get(module)
    if names is None:
        return None
    key = (id(names), id(code))
    known = _reasons.get(key)
    if known is None:
        # The entry keeps the code alive, so that its id is not reused.
        known = _reasons[key] = (code, _search_reason(names, code, module))
    return known[1]


_reasons: dict[tuple[int, int], tuple[CodeType, str | None]] = {}


def _search_reason(names: Mapping[str, str], code: CodeType, module: str) -> str | None:
    for name, reason in names.items():
        bare = name.rpartition(".")[2]
        if bare != code.co_name:
            continue
        # Functions of Cython have no code object to compare until one of their coroutines runs.
        if is_relative(code.co_filename) or _find_code(module, name) is code:
            return reason
    # A replaced function cannot be found by its name, but its code still has its qualified name.
    return names.get(getattr(code, "co_qualname", ""))


def _find_code(module: str, name: str) -> CodeType | None:
    return code_of_function(find_function(module, name))


def find_function(module: str, name: str) -> Any:
    """Return the function or code with a qualified name in an imported module; None without it."""
    target: Any = sys.modules.get(module)
    for part in name.split("."):
        kind = type(target)
        if issubclass(kind, ModuleType):
            target = _module_dict(target).get(part)
        elif issubclass(kind, type):
            target = type_dict(target).get(part)
        elif part != "<locals>":
            outer = code_of_function(target)
            constants = outer.co_consts if outer is not None else ()
            target = next((each for each in constants if type(each) is CodeType and each.co_name == part), None)
    return target


def code_of_function(target: Any) -> CodeType | None:
    """Return the code of a plain function, through wrappers and without running any code; None for other objects."""
    for _ in range(10):
        kind = type(target)
        if kind is CodeType:
            return target  # type: ignore[no-any-return]  # narrowed by identity of the type
        if kind is FunctionType:
            inner = target.__dict__.get("__wrapped__")
            if inner is None:
                return target.__code__  # type: ignore[no-any-return]  # narrowed by identity of the type
        elif kind is staticmethod or kind is classmethod:
            inner = target.__func__
        else:
            # Proxies of wrapt, with which instrumentations replace asyncio's functions.
            wrapped = c_field(kind, "__wrapped__")
            inner = wrapped.__get__(target) if wrapped is not None else None
        target = inner
    return None


def is_relative(path: str) -> bool:
    """Return whether a path is relative, as in Cython's code objects: to the root of the sources they come from."""
    return not path.startswith(("/", "\\", "<")) and ":" not in path


def type_module(kind: type) -> str:
    """Return the module of a type without running a metaclass written in Python; empty if it is not a string."""
    try:
        # Cython's coroutine types store their module in a field of their own metaclass.
        getter = None if type(kind) is type else c_field(type(kind), "__module__")
        module = (getter or _type_module).__get__(kind)
    except AttributeError:
        return ""
    return module if type(module) is str else ""


class _Asyncio(NamedTuple):
    c_future: Any
    c_task: Any
    py_future: Any
    py_task: Any
    gathering: Any
    source_paths: tuple[str, str]


_asyncio: _Asyncio | None = None


def known_asyncio() -> _Asyncio | None:
    """Return asyncio's classes once asyncio was imported, also during interpreter shutdown."""
    global _asyncio
    if _asyncio is None and "asyncio" in sys.modules:
        from asyncio import futures, tasks

        _asyncio = _Asyncio(
            futures.Future,
            tasks.Task,
            getattr(futures, "_PyFuture", futures.Future),
            getattr(tasks, "_PyTask", tasks.Task),
            getattr(tasks, "_GatheringFuture", None),
            (tasks.shield.__code__.co_filename, futures.wrap_future.__code__.co_filename),
        )
    return _asyncio


def field(future: object, name: str) -> Any:
    """Return a field of an asyncio future or task, bypassing overrides; None for other objects or without the field."""
    known, kind = _asyncio or known_asyncio(), type(future)
    if known is None:
        return None
    if known.c_task is not known.py_task and issubclass(kind, known.c_task):
        return _read(known.c_task, name, future)
    if known.c_future is not known.py_future and issubclass(kind, known.c_future):
        return _read(known.c_future, name, future)
    fields: dict[str, Any] = type_dict(known.py_future)["__dict__"].__get__(future)
    return fields.get(name)


def _read(kind: Any, name: str, future: object) -> Any:
    descriptor = getattr(kind, name, None)
    return None if descriptor is None else descriptor.__get__(future)


def is_task(candidate: object) -> bool:
    """Return whether an object is an asyncio task, in C or in Python, whatever its ``__class__``."""
    return is_task_type(type(candidate))


def is_task_type(kind: type) -> bool:
    """Return whether the instances of a type are asyncio tasks, in C or in Python."""
    known = _asyncio or known_asyncio()
    return known is not None and (issubclass(kind, known.c_task) or issubclass(kind, known.py_task))


def is_future(candidate: object) -> bool:
    """Return whether an object is an asyncio future or task, in C or in Python, whatever its ``__class__``."""
    known, kind = _asyncio or known_asyncio(), type(candidate)
    return known is not None and (issubclass(kind, known.c_future) or issubclass(kind, known.py_future))


def is_gather(candidate: object) -> bool:
    """Return whether an object is the outer future of ``asyncio.gather``."""
    known = _asyncio or known_asyncio()
    return known is not None and type(candidate) is known.gathering


def is_pending(future: object) -> bool:
    """Return whether an asyncio future or task is not done; False for other objects."""
    known = _asyncio or known_asyncio()
    if known is None or not is_future(future):
        return False
    state = field(future, "_state")
    # A future in Python has no state of its own while it is pending. In C, a missing field proves nothing.
    return state == "PENDING" or (state is None and issubclass(type(future), known.py_future))


def waiter_of(task: object) -> object | None:
    """Return the future that an asyncio task is suspended on; None without one or for other objects."""
    waiter: object | None = field(task, "_fut_waiter") if is_task(task) else None
    return waiter


def coroutine_of(task: object) -> object | None:
    """Return the coroutine of an asyncio task; None for other objects."""
    coroutine: object | None = field(task, "_coro") if is_task(task) else None
    return coroutine


def callbacks_of(future: object) -> Sequence[Any]:
    """Return the done callbacks of an asyncio future, without their contexts."""
    return [each[0] for each in field(future, "_callbacks") or ()] if is_future(future) else []


def first_undone_child(future: object) -> object | None:
    """Return the first pending child of a ``gather``; None for other futures or without pending children."""
    return next((child for child in children_of(future) if is_pending(child)), None)


def children_of(future: object) -> tuple[object, ...]:
    """Return the children of a ``gather``; empty for other futures, or if their field has another name."""
    return tuple(getattr(future, "_children", None) or ()) if is_gather(future) else ()


def shielded_by(future: object) -> object | None:
    """Return the inner future of ``asyncio.shield`` if ``future`` is its outer one, else None."""
    return _captured(future, 0, "_outer_done_callback", "inner")


def executor_future_of(future: object) -> object | None:
    """Return the ``concurrent.futures.Future`` whose result ``future`` copies (``run_in_executor``), or None."""
    source = _captured(future, 1, "_call_check_cancel", "source")
    return source if source is not None and is_concurrent_future(type(source)) else None


def _captured(future: object, source: int, callback_name: str, variable: str) -> object | None:
    """Return the variable that a done callback defined in one of asyncio's files has captured, or None."""
    known = known_asyncio()
    for callback in first_callbacks(future) if known is not None and is_future(future) else ():
        code = callback.__code__
        if code.co_name != callback_name or known is None or code.co_filename != known.source_paths[source]:
            continue
        if variable in code.co_freevars and callback.__closure__ is not None:
            captured: object = callback.__closure__[code.co_freevars.index(variable)].cell_contents
            return captured
    return None
