"""Roots: objects of a closure that running code references; wake-ups start there.

Most roots are objects with unaccounted references. Others are reachable in ways that reference counts do not show: weak
references, whose holders reach an object without holding it; callbacks of weak references, which run when another
object dies; plain C pointers, which are not counted; and attributes of tasks, which are reachable for code that holds
the task.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextvars import Context
from importlib.machinery import EXTENSION_SUFFIXES
from types import AsyncGeneratorType, ModuleType
from typing import Any, Final
from weakref import CallableProxyType, ProxyType, WeakSet

from ...record.internals.of_asyncio import references_in, task_registries
from ...record.raw_fields import type_mro
from ..introspection.known_waits import callbacks_of, field, is_pending, is_task, known_asyncio, type_module
from ..introspection.stalls import StallMark
from .closure import DICTIONARIES_HIDE_VALUES, Accounts, dictionary_of

_PROXIES: Final = (ProxyType, CallableProxyType)
_HEAPTYPE_FLAG: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: only types defined in C are without it
_KNOWN_EXTENSIONS: Final = frozenset(
    {"aiohttp", "frozenlist", "httptools", "multidict", "propcache", "pydantic_core", "uvloop", "wrapt", "yarl"}
)
"""Extensions known to hold the objects that they call later, or to call only objects passed in the same call."""
_ADDRESS_GIVERS: Final = frozenset({"_ctypes", "_cffi_backend"})
_FIELDS_OF_TASKS: Final = frozenset(
    {
        "_state",
        "_result",
        "_exception",
        "_exception_tb",
        "_loop",
        "_source_traceback",
        "_cancel_message",
        "_cancelled_exc",
        "_callbacks",
        "_must_cancel",
        "_fut_waiter",
        "_coro",
        "_context",
        "_name",
        "_num_cancels_requested",
        "_asyncio_future_blocking",
        "_log_destroy_pending",
        "_Future__log_traceback",
        "_Future__asyncio_awaited_by",
    }
)
"""Fields of asyncio itself in a task implemented in Python."""
_TRACKED_FIELDS: Final = ("_loop", "_coro", "_fut_waiter", "_exception", "_source_traceback", "_cancel_message")
"""Fields of asyncio in a task implemented in C, besides callbacks and contexts."""
_callback_of: Final[Any] = weakref.ref.__dict__["__callback__"].__get__
_type_flags: Final[Any] = type.__dict__["__flags__"].__get__


def roots(objects: list[Any], accounts: Accounts, exempt: set[int], tasks: int, loops: Iterable[Any]) -> list[int]:
    """Return the positions of objects held from outside, and of all other pending tasks.

    Args:
        objects: The closure.
        accounts: Its references.
        exempt: Positions of the examined tasks and of their coroutines.
        tasks: Number of examined tasks at the first positions.
        loops: Their event loops.
    """
    found = []
    kinds = _Kinds()
    for place, each in enumerate(objects):
        if place in exempt:
            continue
        weak = accounts.weak[place]
        if (
            accounts.held[place]
            or (
                kinds.matter(type(each))
                and (kinds.may_be_known_by_address(type(each)) or _acts_alone(each, place, tasks))
            )
            or (weak and not _only_ours(each, weak, loops))
        ):
            found.append(place)
    return found


def _acts_alone(found: Any, place: int, tasks: int) -> bool:
    """Return whether an object is another pending task or a weak reference with a callback."""
    return (place >= tasks and is_task(found) and is_pending(found)) or _calls_back(found)


def kept_by_objects(objects: list[Any], accounts: Accounts, index: dict[int, int]) -> list[int]:
    """Return the positions of values in dictionaries that do not show them to the garbage collector.

    Only on 3.13, the ``__dict__`` of an object, once it was accessed, leaves its values in the object; the collector
    sees no reference from the dictionary to the values.

    Args:
        objects: The closure.
        accounts: Its references.
        index: Positions of the closure, by address.
    """
    if not DICTIONARIES_HIDE_VALUES:
        return []
    return [
        index[id(value)]
        for place, each in enumerate(objects)
        if type(each) is dict and each and not accounts.referents(place)
        for value in list(each.values())
        if id(value) in index
    ]


def hung_on_tasks(tasks: Iterable[Any], index: dict[int, int]) -> list[int]:
    """Return the positions of the attributes of tasks, which are reachable for code that holds the task.

    Args:
        tasks: The examined tasks.
        index: Positions of the closure, by address.
    """
    return [index[id(each)] for task in tasks for each in _attributes(task) if id(each) in index]


def _attributes(task: Any) -> Iterator[Any]:
    known = known_asyncio()
    if known is None or issubclass(type(task), known.py_task):
        fields = dict(object.__getattribute__(task, "__dict__"))
        yield from (value for name, value in fields.items() if name not in _FIELDS_OF_TASKS)
        return
    # Accessing __dict__ of a C task would create it. Instead: all its referents, less one per field of asyncio. A slot
    # of the application may refer to the same object as a field.
    callbacks = callbacks_of(task)
    own = Counter(id(field(task, name)) for name in _TRACKED_FIELDS)
    own.update(map(id, callbacks))
    for referent in gc.get_referents(task):
        kind = type(referent)
        if own[id(referent)]:
            own[id(referent)] -= 1
        elif kind is not Context and not (kind is list and callbacks and _holds_callbacks(referent)):
            yield referent


def _holds_callbacks(found: list[Any]) -> bool:
    return all(type(item) is tuple and len(item) == 2 and type(item[1]) is Context for item in found)


def _only_ours(found: Any, count: int, loops: Iterable[Any]) -> bool:
    """Return whether all weak references to an object belong to this package, or to asyncio's registries.

    The registries of tasks and async generators wake nothing: one lists pending tasks, the other serves the shutdown of
    the loop. Coroutines in the await chain of an examined task never get here: what is awaited cannot be completed
    through them. OpenTelemetry's instrumentation of asyncio keeps weak references to those. Any other coroutine can be
    started or resumed by whatever refers to it.
    """
    references = weakref.getweakrefs(found)
    if len(references) != count:
        return False
    foreign = [reference for reference in references if type(reference) is not StallMark]
    if type(found) is AsyncGeneratorType:
        return all(_is_in_asyncgens(each, loops) for each in foreign)
    if is_task(found):
        return all(_is_in_registry(each) for each in foreign)
    return not foreign


def _is_in_asyncgens(reference: Any, loops: Iterable[Any]) -> bool:
    for loop in loops:
        fields = gc.get_referents(loop)
        # For a loop implemented in Python, the fields may be in its dictionary.
        fields += [item for found in fields if type(found) is dict for item in found.values()]
        for found in fields:
            if type(found) is WeakSet and is_of_set(reference, found):
                return True
    return False


def _is_in_registry(reference: Any) -> bool:
    return any(is_of_set(reference, registry) for registry in task_registries())


def is_of_set(reference: Any, weak_set: Any) -> bool:
    """Return whether a set holds this very reference: others of the same object equal it."""
    remove = getattr(weak_set, "_remove", None)
    return remove is not None and _callback_of(reference) is remove and reference in references_in(weak_set)


def _calls_back(found: Any) -> bool:
    """Return whether an object is a weak reference with a callback, which runs when its referent dies."""
    kind = type(found)
    if issubclass(kind, _PROXIES):
        # A proxy forwards attribute access, but shows its callback to the garbage collector.
        return bool(gc.get_referents(found))
    return issubclass(kind, weakref.ref) and kind is not StallMark and _callback_of(found) is not None


def _task_types() -> tuple[type, ...]:
    known = known_asyncio()
    return () if known is None else (known.c_task, known.py_task)


class _Kinds:
    """Properties of types, determined once per type."""

    def __init__(self) -> None:
        # By address, because a metaclass may define its own hash; the objects keep their types alive.
        self._known: dict[int, tuple[bool, bool]] = {}

    def matter(self, kind: type) -> bool:
        """Return whether objects of a type must be examined: tasks, weak references, and types that C code may know."""
        return self._of(kind)[0]

    def may_be_known_by_address(self, kind: type) -> bool:
        """Return whether C may hold plain pointers to objects of a type: ctypes callbacks and unknown extensions."""
        return self._of(kind)[1]

    def _of(self, kind: type) -> tuple[bool, bool]:
        known = self._known.get(id(kind))
        if known is None:
            is_foreign = any(map(is_of_foreign_c, type_mro(kind)))
            known = (is_foreign or issubclass(kind, (weakref.ref, *_PROXIES, *_task_types())), is_foreign)
            self._known[id(kind)] = known
        return known


def is_of_foreign_c(kind: type) -> bool:
    """Return whether a type, its bases aside, is made by an extension that is not known to show what it holds."""
    name = type_module(kind)
    package = name.partition(".")[0]
    is_made_by_c = not _type_flags(kind) & _HEAPTYPE_FLAG
    if package in _ADDRESS_GIVERS:
        return True
    if package == "builtins":
        # Some extensions set no module on their types; the interpreter's own types are not heap types.
        return not is_made_by_c
    if package in _KNOWN_EXTENSIONS or package in sys.stdlib_module_names or package.startswith("_cython_"):
        return False
    module = sys.modules.get(name)
    path = dictionary_of(module).get("__file__") if issubclass(type(module), ModuleType) else None
    return is_made_by_c or (type(path) is str and path.endswith(tuple(EXTENSION_SUFFIXES)))
