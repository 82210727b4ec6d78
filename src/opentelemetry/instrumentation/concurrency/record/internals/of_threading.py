"""Private names of the `threading` module.

Fields of threads are read from the instance's dictionary, because a derived class may override the properties.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final

from ..raw_fields import attributes_of, c_field, type_name

ACTIVE_THREADS: Final[dict[int, threading.Thread]] = getattr(threading, "_active", {})
"""The live threads by identifier, for the hooks; empty if `threading` has no such dictionary."""
TARGET: Final = "_target"
"""Field with the callable of a thread."""
ARGUMENTS: Final = "_args"
"""Field with the positional arguments of that callable."""
KEYWORDS: Final = "_kwargs"
"""Field with its keyword arguments."""
# gevent replaces the class by one that inherits this field.
attributes_of_thread: Final[Any] = c_field(threading.Thread, "__dict__").__get__
"""Return the attribute dictionary of a thread; faster than `attributes_of`, and only for threads."""

_OWNER: Final = re.compile(r" owner=(\d+) ")


def active_threads() -> dict[int, threading.Thread]:
    """Return the live threads by identifier, without a lock; empty if `threading` has no such dictionary."""
    active = getattr(threading, "_active", None)
    return active if type(active) is dict else {}


def thread_with_ident(ident: int | None) -> threading.Thread | None:
    """Return the live thread with an identifier; None if `threading` does not know it."""
    # current_thread() would create a _DummyThread that stays registered.
    return None if ident is None else active_threads().get(ident)


def main_is_initial() -> bool:
    """Return whether the main thread is the one that the process was started with.

    After a fork, the main thread according to `threading` is the forking thread, with its original class. If
    `threading` has no class of its own for the main thread, the process counts as not forked from another thread.
    """
    initial = getattr(threading, "_MainThread", None)
    return not isinstance(initial, type) or issubclass(type(threading.main_thread()), initial)


def known_thread_types() -> tuple[type[threading.Thread], ...]:
    """Return the classes of `threading` whose ``is_alive`` can be trusted: threads, and placeholders if there are."""
    dummy = getattr(threading, "_DummyThread", None)
    return (threading.Thread, dummy) if isinstance(dummy, type) else (threading.Thread,)


def is_dummy_type(kind: type) -> bool:
    """Return whether a class is that of placeholders for foreign threads; False if it has another name."""
    return bool(type_name(kind) == "_DummyThread")


def target_field(thread: object) -> Any:
    """Return the target of a thread; None if it has none, or if its field has another name."""
    return attributes_of(thread).get(TARGET)


def name_field(thread: object) -> Any:
    """Return the name of a thread; None if its field has another name."""
    return attributes_of(thread).get("_name")


def thread_ident(thread: object) -> int:
    """Return the identifier of a thread; 0 if it has not started."""
    ident = attributes_of(thread).get("_ident")
    return ident if type(ident) is int else 0


def thread_native_id(thread: object) -> int:
    """Return the native identifier of a thread; 0 if there is none."""
    native_id = attributes_of(thread).get("_native_id")
    return native_id if type(native_id) is int else 0


def is_daemon(thread: object) -> bool:
    """Return whether a thread is a daemon."""
    return attributes_of(thread).get("_daemonic") is True


def owns_lock(lock: Any) -> bool:
    """Return whether the calling thread holds an `RLock`, from the lock's text if it has no method for that."""
    is_owned = getattr(lock, "_is_owned", None)
    if is_owned is not None:
        return bool(is_owned())
    owner = _OWNER.search(repr(lock))
    return owner is not None and int(owner[1]) == threading.get_ident()
