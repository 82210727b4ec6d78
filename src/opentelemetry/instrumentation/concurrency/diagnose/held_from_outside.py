"""What of a closure is held by something that runs, though no suspended task holds it: where waking begins.

References that nobody accounts for are the rule. The others are ways past the count: weak references, whose holders
reach an object without holding it; callbacks of weak references, which run when something else dies; bare pointers of
C, which are counted nowhere; and what was hung on a task, which whoever holds the task holds too.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterable, Iterator
from contextvars import Context
from importlib.machinery import EXTENSION_SUFFIXES
from types import AsyncGeneratorType, CoroutineType, ModuleType
from typing import Any, Final
from weakref import CallableProxyType, ProxyType, WeakSet

from .closure import Accounts, dictionary_of
from .known_waits import callbacks_of, is_pending, is_task, known_asyncio, type_module, type_mro
from .stalls import StallMark

_DICTIONARIES_HIDE_VALUES: Final = sys.version_info[:2] == (3, 13)
_PROXIES: Final = (ProxyType, CallableProxyType)
_HEAP_TYPE: Final = 1 << 9
_KNOWN_EXTENSIONS: Final = frozenset(
    {"aiohttp", "frozenlist", "httptools", "multidict", "propcache", "pydantic_core", "uvloop", "wrapt", "yarl"}
)
"""Of these is known that C holds what it will call, or calls only what Python hands it in the same call."""
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
"""What asyncio itself keeps in a task that is written in Python."""
_TRACKED_FIELDS: Final = ("_loop", "_coro", "_fut_waiter", "_exception", "_source_traceback", "_cancel_message")
"""What it keeps in one that is written in C, besides callbacks and contexts."""
_callback_of: Final[Any] = weakref.ref.__dict__["__callback__"].__get__
_type_flags: Final[Any] = type.__dict__["__flags__"].__get__


def roots(objects: list[Any], accounts: Accounts, exempt: set[int], tasks: int, loops: Iterable[Any]) -> list[int]:
    """Return the positions of what is held from outside, and of all other tasks that are not done.

    Args:
        objects: The closure.
        accounts: Its references.
        exempt: Positions of the tasks in question and of their coroutines.
        tasks: How many of the first positions are the tasks in question.
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
    """Tell whether an object is another task that is not done, or a weak reference with a callback."""
    return (place >= tasks and is_task(found) and is_pending(found)) or _calls_back(found)


def kept_by_objects(objects: list[Any], accounts: Accounts, index: dict[int, int]) -> list[int]:
    """Return the positions of values in dictionaries that show nothing of what they give access to.

    On 3.13 alone the ``__dict__`` of an object, once somebody asked for it, leaves its values to the object: the
    collector is told of no way from the one to the other.

    Args:
        objects: The closure.
        accounts: Its references.
        index: Positions of the closure, by address.
    """
    if not _DICTIONARIES_HIDE_VALUES:
        return []
    return [
        index[id(value)]
        for place, each in enumerate(objects)
        if type(each) is dict and each and not accounts.referents(place)
        for value in list(each.values())
        if id(value) in index
    ]


def hung_on_tasks(tasks: Iterable[Any], index: dict[int, int]) -> list[int]:
    """Return the positions of what tasks have as attributes: whoever holds the task gets at them.

    Args:
        tasks: The tasks in question.
        index: Positions of the closure, by address.
    """
    return [index[id(each)] for task in tasks for each in _attributes(task) if id(each) in index]


def _attributes(task: Any) -> Iterator[Any]:
    known = known_asyncio()
    if known is None or issubclass(type(task), known.py_task):
        fields = dict(object.__getattribute__(task, "__dict__"))
        yield from (value for name, value in fields.items() if name not in _FIELDS_OF_TASKS)
        return
    # Asked for its __dict__, a task would make one. So: whatever it refers to, less what asyncio keeps in it.
    callbacks = callbacks_of(task)
    own = {id(object.__getattribute__(task, name)) for name in _TRACKED_FIELDS} | set(map(id, callbacks))
    for each in gc.get_referents(task):
        kind = type(each)
        if id(each) not in own and kind is not Context and not (kind is list and callbacks and _holds_callbacks(each)):
            yield each


def _holds_callbacks(found: list[Any]) -> bool:
    return all(type(each) is tuple and len(each) == 2 and type(each[1]) is Context for each in found)


def _only_ours(found: Any, count: int, loops: Iterable[Any]) -> bool:
    """Tell whether all weak references to an object are ours, or asyncio's books of tasks and async generators.

    Those books wake nobody: the one lists what is not done, and the other is for the end of the loop. Nor does whoever
    refers weakly to a coroutine that is being awaited, as OpenTelemetry's instrumentation of asyncio does to know which
    ones it has met: what it awaits can not be completed through it.
    """
    if type(found) is CoroutineType:
        return True
    references = weakref.getweakrefs(found)
    if len(references) != count:
        return False
    foreign = [each for each in references if type(each) is not StallMark]
    if type(found) is AsyncGeneratorType:
        return all(_is_in_asyncgens(each, loops) for each in foreign)
    if is_task(found):
        return all(_is_in_registry(each) for each in foreign)
    return not foreign


def _is_in_asyncgens(reference: Any, loops: Iterable[Any]) -> bool:
    for loop in loops:
        fields = gc.get_referents(loop)
        # In an object of Python the fields may be one dictionary further on.
        fields += [each for found in fields if type(found) is dict for each in found.values()]
        for found in fields:
            if type(found) is WeakSet and reference in found.data:  # type: ignore[attr-defined]
                return True
    return False


def _is_in_registry(reference: Any) -> bool:
    tasks = sys.modules["asyncio.tasks"]
    books = (getattr(tasks, name, None) for name in ("_all_tasks", "_scheduled_tasks"))
    return any(type(book) is WeakSet and reference in book.data for book in books)  # type: ignore[attr-defined]


def _calls_back(found: Any) -> bool:
    """Tell whether an object is a weak reference with a callback: that runs when what it refers to dies."""
    kind = type(found)
    if issubclass(kind, _PROXIES):
        # It passes every question on, but shows its callback to the garbage collector.
        return bool(gc.get_referents(found))
    return issubclass(kind, weakref.ref) and kind is not StallMark and _callback_of(found) is not None


def _task_types() -> tuple[type, ...]:
    known = known_asyncio()
    return () if known is None else (known.c_task, known.py_task)


class _Kinds:
    """What is known of types, each looked at once."""

    def __init__(self) -> None:
        # By address, since a metaclass may have a hash of its own; the objects keep their types alive.
        self._known: dict[int, tuple[bool, bool]] = {}

    def matter(self, kind: type) -> bool:
        """Tell whether objects of a type need a closer look: tasks, weak references, and what C may know."""
        return self._of(kind)[0]

    def may_be_known_by_address(self, kind: type) -> bool:
        """Tell whether C may know objects of a type by a bare pointer: callbacks of ctypes, and foreign extensions."""
        return self._of(kind)[1]

    def _of(self, kind: type) -> tuple[bool, bool]:
        known = self._known.get(id(kind))
        if known is None:
            is_foreign = any(map(_is_of_foreign_c, type_mro(kind)))
            known = (is_foreign or issubclass(kind, (weakref.ref, *_PROXIES, *_task_types())), is_foreign)
            self._known[id(kind)] = known
        return known


def _is_of_foreign_c(kind: type) -> bool:
    name = type_module(kind)
    package = name.partition(".")[0]
    is_made_by_c = not _type_flags(kind) & _HEAP_TYPE
    if package in _ADDRESS_GIVERS:
        return True
    if package == "builtins":
        # Some extensions name no module for their types; those of the interpreter are no heap types.
        return not is_made_by_c
    if package in _KNOWN_EXTENSIONS or package in sys.stdlib_module_names or package.startswith("_cython_"):
        return False
    module = sys.modules.get(name)
    path = dictionary_of(module).get("__file__") if issubclass(type(module), ModuleType) else None
    return is_made_by_c or (type(path) is str and path.endswith(tuple(EXTENSION_SUFFIXES)))
