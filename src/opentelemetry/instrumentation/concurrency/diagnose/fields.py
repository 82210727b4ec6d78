"""What objects of the application keep in their fields, read without running anything of them.

Methods and properties may be overridden, ``__getattr__`` may do anything: only what C keeps is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from ..record.threads import thread_is_gone
from .known_waits import c_field, field, is_future, is_task, known_asyncio, type_dict, type_module, type_mro, type_name


def attributes_of(found: object) -> dict[str, Any]:
    """Return the attributes of an object, empty if it keeps none in a dictionary."""
    descriptor = c_field(type(found), "__dict__")
    attributes = None if descriptor is None else descriptor.__get__(found)
    return attributes if type(attributes) is dict else {}


def attribute_of(found: object, name: str) -> Any:
    """Return an attribute of an object, kept in a dictionary or a slot; None if it has no such one."""
    value = attributes_of(found).get(name)
    if value is None and (slot := c_field(type(found), name)) is not None:
        try:
            return slot.__get__(found)
        except AttributeError:  # empty
            return None
    return value


def has_method(kind: type, name: str) -> bool:
    """Tell whether a type or one of its bases defines a name."""
    return any(name in type_dict(base) for base in type_mro(kind))


def is_a(found: object, name: str, package: str) -> bool:
    """Tell whether an object is of a type of that name in a package, or of a type derived from it."""
    return any(
        type_name(base) == name and type_module(base).partition(".")[0] == package for base in type_mro(type(found))
    )


def plain_text(text: object) -> str:
    """Return a text as one of the built-in type: one of its own would run code of the application when shown."""
    return str.__str__(text) if issubclass(type(text), str) else ""


def loop_of(task: object) -> Any:
    """Return the event loop of an asyncio task."""
    return field(task, "_loop")


def name_of(task: object) -> object:
    """Return the name of an asyncio task, which may be a string of a type of its own."""
    known = known_asyncio()
    if known is None or issubclass(type(task), known.py_task):
        return field(task, "_name")
    return known.c_task.get_name(task) if is_task(task) else ""


def awaited_by(future: object) -> Iterable[Any]:
    """Return the tasks that asyncio says await a future; empty before 3.14."""
    if sys.version_info < (3, 14) or not is_future(future):
        return ()
    descriptor = c_field(type(future), "_asyncio_awaited_by")
    if descriptor is not None:
        found = descriptor.__get__(future)
    else:
        found = attributes_of(future).get("_Future__asyncio_awaited_by")
    if found is None:
        return ()
    return tuple(found) if issubclass(type(found), (set, frozenset)) else (found,)


def concurrent_state(found: object) -> str | None:
    """Return the state of a ``concurrent.futures.Future``, None for anything else."""
    futures = sys.modules.get("concurrent.futures._base")
    if futures is None or not issubclass(type(found), futures.Future):
        return None
    state = attributes_of(found).get("_state")
    return state if type(state) is str else ""


def is_done_concurrent(found: object) -> bool:
    """Tell whether an object is a ``concurrent.futures.Future`` that is done."""
    return concurrent_state(found) in {"CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED"}


def is_pending_concurrent(found: object) -> bool:
    """Tell whether an object is a ``concurrent.futures.Future`` that is not done."""
    return concurrent_state(found) in {"PENDING", "RUNNING", ""}


def attribute_or_default(found: object, name: str) -> Any:
    """Return an attribute of an object or, where it has none, the one of its class; None if that has none either."""
    attributes = attributes_of(found)
    if name in attributes:
        return attributes[name]
    return next((type_dict(base)[name] for base in type_mro(type(found)) if name in type_dict(base)), None)


# What a thread says of itself, asked of the class that knows it and not of one that may have been derived from it.


def thread_name(thread: Any) -> str:
    """Return the name of a thread."""
    return plain_text(attributes_of(thread).get("_name"))


def thread_ident(thread: Any) -> int:
    """Return the identifier of a thread; 0 if it has not begun."""
    ident = attributes_of(thread).get("_ident")
    return ident if type(ident) is int else 0


def is_daemon(thread: Any) -> bool:
    """Tell whether a thread is a daemon."""
    return attributes_of(thread).get("_daemonic") is True


def is_alive(thread: Any) -> bool:
    """Tell whether a thread lives."""
    return not thread_is_gone(thread)
