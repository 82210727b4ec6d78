"""Fields of application objects, read without running application code.

Methods and properties may be overridden and ``__getattr__`` may do anything, so only values stored in C are read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from ...record.internals.of_futures import future_state, is_concurrent_future
from ...record.internals.of_threading import name_field
from ...record.raw_fields import attributes_of, c_field, type_dict, type_mro, type_name
from ...record.threads import thread_is_finished
from .known_waits import field, is_future, is_task, known_asyncio, type_module


def attribute_of(found: object, name: str) -> Any:
    """Return an attribute from an object's dictionary or slots; None if it is missing."""
    value = attributes_of(found).get(name)
    if value is None and (slot := c_field(type(found), name)) is not None:
        try:
            return slot.__get__(found)
        except AttributeError:  # an empty slot
            return None
    return value


def has_method(kind: type, name: str) -> bool:
    """Return whether a type or one of its bases defines a name."""
    return any(name in type_dict(base) for base in type_mro(kind))


def is_a(found: object, name: str, package: str) -> bool:
    """Return whether an object's type, or a base of it, has this name and belongs to this package."""
    return any(
        type_name(base) == name and type_module(base).partition(".")[0] == package for base in type_mro(type(found))
    )


def plain_text(text: object) -> str:
    """Convert a string of a derived type to str, which runs no code of the application when printed; else return ""."""
    return str.__str__(text) if issubclass(type(text), str) else ""


def loop_of(task: object) -> Any:
    """Return the event loop of an asyncio task."""
    return field(task, "_loop")


def name_of(task: object) -> object:
    """Return the name of an asyncio task, which may be of a type derived from str."""
    known = known_asyncio()
    if known is None or issubclass(type(task), known.py_task):
        return field(task, "_name")
    return known.c_task.get_name(task) if is_task(task) else ""


def awaited_by(future: object) -> Iterable[Any]:
    """Return the tasks that await a future according to asyncio; empty before 3.14."""
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
    """Return the state of a ``concurrent.futures.Future``; None for other objects."""
    return future_state(found) if is_concurrent_future(type(found)) else None


def is_done_concurrent(found: object) -> bool:
    """Return whether an object is a ``concurrent.futures.Future`` that is done."""
    return concurrent_state(found) in {"CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED"}


def is_pending_concurrent(found: object) -> bool:
    """Return whether an object is a ``concurrent.futures.Future`` that is not done."""
    return concurrent_state(found) in {"PENDING", "RUNNING", ""}


def attribute_or_default(found: object, name: str) -> Any:
    """Return an attribute of an object, falling back to its class; None if neither has it."""
    attributes = attributes_of(found)
    if name in attributes:
        return attributes[name]
    return next((type_dict(base)[name] for base in type_mro(type(found)) if name in type_dict(base)), None)


def thread_name(thread: Any) -> str:
    """Return the name of a thread."""
    return plain_text(name_field(thread))


def is_alive(thread: Any) -> bool:
    """Return whether a thread is alive."""
    return not thread_is_finished(thread)
