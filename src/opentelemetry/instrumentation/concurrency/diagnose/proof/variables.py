"""Objects that running code can reach from one of its variables: entries, attributes, callees, referents.

Nothing is called and no attribute is looked up that a class of the application could define.
"""

from __future__ import annotations

import gc
from collections import deque
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any, Final
from weakref import WeakMethod, WeakSet, ref

from ..introspection.known_waits import is_task, type_module

LIBRARIES: Final = ("asyncio", "anyio", "async_timeout")
_PRIMITIVES: Final = frozenset({*LIBRARIES, "_asyncio"})
"""Modules of objects that wake or cancel tasks: events, futures, scopes."""
COLLECTIONS: Final = (list, tuple, set, frozenset, dict, deque, WeakSet)
_MOST_IN_VARIABLE: Final = 1_000
"""Number of entries of a collection in a variable above which it is bookkeeping rather than what the code works on."""
_callback_of: Final[Any] = ref.__dict__["__callback__"].__get__


def is_primitive(found: Any) -> bool:
    """Return whether an object is a task or one of the objects of asyncio and anyio that wake or cancel tasks."""
    return is_task(found) or type_module(type(found)).partition(".")[0] in _PRIMITIVES


def entries_of(variable: Any) -> list[Any]:
    """Return the entries of a collection in a variable; for other objects, and for large collections, the object."""
    kind = type(variable)
    if kind is dict and len(variable) <= _MOST_IN_VARIABLE:
        return list(variable.values())
    if kind in (list, set, frozenset, deque) and len(variable) <= _MOST_IN_VARIABLE:
        return list(variable)
    if issubclass(kind, tuple) and tuple.__len__(variable) <= _MOST_IN_VARIABLE:
        return list(tuple.__iter__(variable))
    return [variable]


def called_by(found: Any) -> list[Any] | None:
    """Return what a cell, weak reference or callable leads to when it is read or called; None for other objects."""
    kind = type(found)
    if (referent := referent_of(found)) is not None:
        return [referent]
    if kind is CellType:
        return gc.get_referents(found)
    if kind is MethodType:
        return [found.__self__, found.__func__]
    if kind is partial:
        return [found.func, *found.args, *found.keywords.values()]
    if kind is FunctionType:
        defaults = tuple.__iter__(found.__defaults__ or ())
        return [
            *(found.__closure__ or ()),
            *defaults,
            *dict.values(found.__kwdefaults__ or {}),
            *global_tasks_of(found),
        ]
    return None


def global_tasks_of(function: FunctionType) -> list[Any]:
    """Return the tasks in variables of its module that a function's code names."""
    named = (dict.get(function.__globals__, name) for name in function.__code__.co_names)
    return [each for each in named if is_task(each)]


def referent_of(found: Any) -> Any:
    """Return the object behind a plain weak reference or `WeakMethod`; None for others, as in a `WeakSet`."""
    kind = type(found)
    if (kind is ref and _callback_of(found) is None) or kind is WeakMethod:
        return ref.__call__(found)
    return None


def attributes_of(found: Any) -> list[Any]:
    """Return the values in the slots and in the dictionary of an object, and whatever else it refers to."""
    values: list[Any] = []
    for referent in gc.get_referents(found):
        # A dictionary of attributes has names as keys; one that is the value of an attribute may have any.
        # Larger ones are caches, and copying them would stop the application.
        is_small = type(referent) is dict and len(referent) <= _MOST_IN_VARIABLE
        if is_small and all(type(key) is str for key in list(referent)):
            values += dict.values(referent)
        else:
            values.append(referent)
    return values
