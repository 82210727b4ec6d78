"""Closures of tasks, and reference accounting like that of CPython's collector.

A `Closure` walks outwards from the tasks. It stops at modules, classes, code, event loops and at a limit. Objects that
are not expanded leave unaccounted references, which can only make other objects look held.

`account` then reads the reference count, the weak reference count and the referents of every object in one C call,
during which no other thread runs. An object with more references than the others account for is held from outside: by a
running frame, by C code, by a module or by another task.
"""

from __future__ import annotations

import gc
import sys
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice, repeat, starmap
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any, Final, Literal

from ...record.raw_fields import type_name
from ..introspection.known_waits import is_pending, is_task_type, type_module

MAX_OBJECTS: Final = 50_000
"""Maximum number of objects of a closure; the C call takes about 10 ms for them."""
MAX_WORK: Final = 20_000_000
"""Maximum number of references that one proof inspects; some ten seconds."""
MOST_TASKS_THAT_JOIN: Final = 16
"""Maximum number of tasks in a collection that still joins them; a larger one only holds them."""
_ASKED_OF_CROWD: Final = 200
_COLLECTIONS: Final = (set, frozenset, list, tuple, dict, deque)
_SLICE: Final = 500
_PAUSE_AFTER: Final = 5_000
_MAY_BE_TRACKED: Final = 1 << 14
"""The flag of types whose instances the garbage collector may track."""
_flags_of: Final[Any] = type.__dict__["__flags__"].__get__
_CUT: Final = (type, ModuleType, CodeType, GetSetDescriptorType, MemberDescriptorType)


dictionary_of: Final[Any] = ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]  # typed as MappingProxy
"""Returns the dictionary of a module, read from its C field."""
DICTIONARIES_HIDE_VALUES: Final = sys.version_info[:2] == (3, 13)
"""Whether the ``__dict__`` of an object may contain values that it does not show to the garbage collector."""
_MOST_LIVE: Final = 200_000
BORROWS: Final = (GeneratorType, AsyncGeneratorType) if sys.version_info >= (3, 14) else ()
"""Types that, suspended within an expression, report objects borrowed from a variable as an additional reference."""


_MEMBERS: Final = frozenset({"task", "scope"})
_NO_WAY_ON: Final = _MEMBERS | {"leaf", "cut"}
Role = Literal["cut", "leaf", "builtin", "task", "scope", "collection", "other"]


class TooMuchWorkError(Exception):
    """Raised when a proof would take too long."""


class Pace:
    """Lets other threads run after a certain amount of work, and stops it at a limit.

    Args:
        pause: Lets other threads run.
        limit: Maximum number of references; None for `MAX_WORK`.
        alone: Returns a context in which no other thread of this package inspects tasks: its references would count as
            the application's.
    """

    def __init__(
        self,
        pause: Callable[[], None],
        limit: int | None = None,
        alone: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.alone = alone
        self._pause = pause
        self._done = 0
        self._left = MAX_WORK if limit is None else limit

    def work(self, references: int) -> None:
        """Add an amount of work, in inspected references; raises `TooMuchWorkError` at the limit."""
        self._done += references
        self._left -= references
        if self._left < 0:
            raise TooMuchWorkError
        if self._done >= _PAUSE_AFTER:
            self._done = 0
            self._pause()


class Cut:
    """Objects at which the walk stops, besides modules, classes and code.

    Args:
        loops: Event loops; objects that they hold are held from outside.

    Attributes:
        ids: Addresses of these objects.
        roles: By address of a type, what its instances are to a walk; `role_of` adds the types that it lacks.
    """

    def __init__(self, loops: Iterable[object]) -> None:
        self.roles: dict[int, Role] = {}
        # The address of a type that ends could become that of another.
        self._types: list[type] = []
        modules = [module for module in list(sys.modules.values()) if issubclass(type(module), ModuleType)]
        self.ids = {id(dictionary_of(module)) for module in modules}
        self.ids |= {id(loop) for loop in loops}
        self.ids |= {id(sys.modules), id(gc.callbacks), id(gc.garbage)}

    def add_live(self, objects: Iterable[object]) -> None:
        """Stop at objects known to be reachable by running code: everything behind them is live anyway.

        On versions where dictionaries hide their values (see `kept_by_objects`), dictionaries are read each time.
        """
        if len(self.ids) < _MOST_LIVE:
            self.ids.update(id(item) for item in objects if not (DICTIONARIES_HIDE_VALUES and type(item) is dict))

    def add_crowd(self, collection: object) -> None:
        """Stop at a collection that leads to tasks and scopes only, so that later walks need not read it again."""
        self.ids.add(id(collection))

    def stops_at(self, found: object) -> bool:
        """Return whether an object must not be expanded."""
        role = self.roles.get(id(type(found))) or self.role_of(type(found))
        if role == "cut" or id(found) in self.ids:
            return True
        # A builtin bound to a module leads only to that module; one bound to another object is always expanded.
        owner: Any = getattr(found, "__self__", None) if role == "builtin" else None
        return issubclass(type(owner), ModuleType)

    def role_of(self, kind: type) -> Role:
        """Return what the instances of a type are to a walk, and keep it in ``roles``."""
        self._types.append(kind)
        role = self.roles[id(kind)] = _role_of(kind)
        return role


def _role_of(kind: type) -> Role:
    if issubclass(kind, _CUT):
        return "cut"
    if kind is weakref.ref or not _flags_of(kind) & _MAY_BE_TRACKED:
        return "leaf"
    if kind is BuiltinFunctionType:
        return "builtin"
    if is_task_type(kind):
        return "task"
    if type_name(kind) == "CancelScope" and type_module(kind).partition(".")[0] == "anyio":
        return "scope"
    return "collection" if issubclass(kind, _COLLECTIONS) else "other"


class Closure:
    """Objects and everything that they reach, each once.

    Pending tasks that it reaches are omitted, together with objects that only these reach: like everything not
    expanded, they leave unaccounted references. Tasks in ``may_join`` are treated like other objects.

    The closure keeps its objects alive: drop it soon.

    Args:
        cut: The objects at which the walk stops.
        pace: Receives the amount of work.
        limit: Maximum number of objects.
        may_join: Addresses of pending tasks that are added when they are reached.
        splits: Whether these join only if the path to them does not end in a collection of many tasks, such as the set
            of a task group, which holds its tasks without relating them. The same goes for the cancel scopes of anyio
            in the set of their parent.
    """

    def __init__(
        self,
        cut: Cut,
        pace: Pace,
        limit: int = MAX_OBJECTS,
        *,
        may_join: Collection[int] = (),
        splits: bool = False,
    ) -> None:
        self.objects: list[Any] = []
        self._seen: set[int] = set()
        self._cut = cut
        self._pace = pace
        self.limit = limit
        self._may_join = may_join
        self._splits = splits

    @property
    def is_whole(self) -> bool:
        """Whether the walk finished below the limit."""
        return len(self.objects) < self.limit

    @property
    def has_room(self) -> bool:
        """Whether the closure would stay below the limit in another walk after growing by a tenth."""
        return len(self.objects) < self.limit - self.limit // 10

    def add(self, start: Iterable[object], *, depth: int | None = None) -> None:
        """Add the objects in ``start`` and everything that they reach, breadth first.

        Args:
            start: The objects at which the walk begins.
            depth: Maximum number of steps; None for no limit.

        Cost: about half a microsecond per reference.
        """
        found, seen = self.objects, self._seen
        begin, steps = len(found), 0
        for each in start:
            if id(each) not in seen:
                seen.add(id(each))
                found.append(each)
        while begin < len(found) < self.limit and (depth is None or steps < depth):
            end = len(found)
            for at in range(begin, end, _SLICE):
                self._expand(found[at : min(at + _SLICE, end)])
                if len(found) >= self.limit:
                    break
            begin, steps = end, steps + 1

    def _expand(self, objects: list[Any]) -> None:
        found, seen, cut = self.objects, self._seen, self._cut
        roles, is_tracked = cut.roles, gc.is_tracked
        holders = [item for item in objects if self._is_crowd(item)] if self._splits else []
        if holders:
            left_out = set(map(id, holders))
            objects = [each for each in objects if id(each) not in left_out]
        reached = gc.get_referents(*objects)
        joining = len(reached)
        for holder in holders:
            members = gc.get_referents(holder)
            if all((roles.get(id(type(each))) or cut.role_of(type(each))) in _NO_WAY_ON for each in members):
                cut.add_crowd(holder)
            else:
                reached += members
        for place, each in enumerate(reached):
            address = id(each)
            if address in seen:
                continue
            role = roles.get(id(type(each))) or cut.role_of(type(each))
            # Most of what `Cut.stops_at` does, without a call for each object.
            if role == "leaf" or role == "cut" or address in cut.ids or not is_tracked(each):
                continue
            if role == "builtin" and cut.stops_at(each):
                continue
            if role == "task":
                if is_pending(each) and (place >= joining or address not in self._may_join):
                    continue
            elif role == "scope" and place >= joining:
                continue
            seen.add(address)
            found.append(each)
            if len(found) >= self.limit:
                break
        self._pace.work(len(reached))

    def _is_crowd(self, found: object) -> bool:
        """Return whether an object is a collection of more tasks, or scopes of anyio, than `MOST_TASKS_THAT_JOIN`.

        Only its first referents are examined: walks come by the same collection of a million other objects often.
        """
        cut = self._cut
        if (cut.roles.get(id(type(found))) or cut.role_of(type(found))) != "collection":
            return False
        seen = 0
        for referent in islice(gc.get_referents(found), _ASKED_OF_CROWD):
            role = cut.roles.get(id(type(referent))) or cut.role_of(type(referent))
            if role in _MEMBERS:
                seen += 1
                if seen > MOST_TASKS_THAT_JOIN:
                    return True
        return False


@dataclass(slots=True)
class Accounts:
    """The references of a closure at one instant, by position; holds no object alive.

    Attributes:
        held: Whether the object has more references than the closure accounts for.
        weak: Number of weak references to the object.
        edges: Positions that each object refers to: from ``starts[i]`` to ``starts[i + 1]``.
        starts: Index of each object's first edge.
        waiters: Position of the future that each task is suspended on; -1 if it is not in the closure, -2 for none.
    """

    held: bytearray
    weak: list[int]
    edges: array[int]
    starts: array[int]
    waiters: list[int]

    def is_held(self, place: int) -> bool:
        """Return whether an object has more references than the closure accounts for."""
        return bool(self.held[place])

    def referents(self, place: int) -> Sequence[int]:
        """Return the positions that an object refers to."""
        return self.edges[self.starts[place] : self.starts[place + 1]]


def account(objects: list[Any], tasks: int, pace: Pace, *, held_by_us: int = 0) -> Accounts | None:
    """Read the references of a closure at one instant. Return None if the garbage collector ran meanwhile.

    Args:
        objects: The closure, referenced by the caller in this list only.
        tasks: Number of asyncio tasks at the beginning of ``objects``.
        held_by_us: Number of further references of the caller to each of these tasks.
        pace: Receives the work of the evaluation, which follows the reading.

    Cost: 200 ns per object during which no other thread runs, then a microsecond per reference.
    """
    # The mark separates the referents of consecutive objects. The reference count of the probe shows how many
    # references the reading itself holds.
    mark, probe = object(), object()
    objects.append(probe)
    separator = [mark]
    asked = tuple(chain.from_iterable(zip(objects, repeat(separator), strict=False)))
    # The collections are counted within the same call: between two statements another thread may run, and collect.
    with pace.alone():
        reading = list(
            chain(
                starmap(gc.get_stats, ((),)),
                map(sys.getrefcount, objects),
                map(weakref.getweakrefcount, objects),
                starmap(gc.get_referents, (asked,)),
                map(object.__getattribute__, objects[:tasks], repeat("_fut_waiter")),
                starmap(gc.get_stats, ((),)),
            )
        )
    objects.pop()
    del asked
    if _collections(reading.pop()) != _collections(reading.pop(0)):
        return None
    # The additional reference to each task is that of the slice passed to the last map().
    return _evaluate(objects, reading, mark, (tasks, held_by_us + 1), pace)


def _evaluate(
    objects: list[Any], reading: list[Any], mark: object, held_by_us: tuple[int, int], pace: Pace
) -> Accounts:
    size = len(objects)
    # The variable that holds the probe adds one reference to those of the list, the arguments and the iterator.
    own = reading[size] - 1
    index = dict(zip(map(id, objects), range(size), strict=True))
    within = [0] * size
    edges, starts = array("l"), array("l", (0,))
    referents = reading[2 * size + 2]
    for position, reached in enumerate(referents):
        if reached is mark:
            starts.append(len(edges))
        else:
            place = index.get(id(reached))
            if place is not None:
                within[place] += 1
                edges.append(place)
        if not position % _SLICE:
            pace.work(_SLICE)
    reached = None
    referents.clear()
    waiters = [-2 if waiter is None else index.get(id(waiter), -1) for waiter in reading[2 * size + 3 :]]
    for place, each in enumerate(objects):
        if issubclass(type(each), BORROWS):
            _count_once(edges[starts[place] : starts[place + 1]], within)
    for task in range(held_by_us[0]):
        within[task] += held_by_us[1]
    held = bytearray(count - own > inside for count, inside in zip(reading[:size], within, strict=True))
    return Accounts(held, reading[size + 1 : 2 * size + 1], edges, starts, waiters)


def _count_once(referents: Sequence[int], within: list[int]) -> None:
    """Reduce multiple references from one object to another to a single one."""
    for place in set(referents):
        within[place] -= referents.count(place) - 1


def _collections(stats: list[dict[str, int]]) -> list[int]:
    return [generation["collections"] for generation in stats]
