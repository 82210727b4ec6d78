"""What a set of tasks reaches, and who else holds any of it: reference accounting, as CPython's collector does it.

A `Closure` walks outwards from the tasks. It stops at modules, classes, code, event loops and at a limit; what it does
not expand leaves references that nobody accounts for, which only ever makes an object look held.

`account` then reads, in one call of C during which no other thread runs, the reference count, the weak-reference count
and the referents of every object found. What has more references than the others give it is held from outside: by a
running frame, by C, by a module, by another task.
"""

from __future__ import annotations

import gc
import sys
import weakref
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat, starmap
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any, Final

MAX_OBJECTS: Final = 50_000
"""Objects of one closure; the one call of C takes about 10 ms for so many."""
MAX_WORK: Final = 20_000_000
"""References that one proof looks at; some ten seconds."""
_SLICE: Final = 500
_PAUSE_AFTER: Final = 5_000
_CUT: Final = (type, ModuleType, CodeType, GetSetDescriptorType, MemberDescriptorType)


dictionary_of: Final[Any] = ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]
"""The dictionary of a module, as C keeps it."""
_BORROWS: Final = (GeneratorType, AsyncGeneratorType) if sys.version_info >= (3, 14) else ()
"""Suspended in the middle of an expression, these show what they have borrowed from a variable as a reference more."""


class TooMuchWorkError(Exception):
    """Raised when a proof would take too long."""


class Pace:
    """Lets other threads run after so much work, however it is cut into pieces, and ends it at a limit.

    Args:
        pause: Lets them run.
    """

    def __init__(self, pause: Callable[[], None]) -> None:
        self._pause = pause
        self._done = 0
        self._left = MAX_WORK

    def work(self, references: int) -> None:
        """Note work done, counted in references looked at; raises `TooMuchWorkError` at the limit."""
        self._done += references
        self._left -= references
        if self._left < 0:
            raise TooMuchWorkError
        if self._done >= _PAUSE_AFTER:
            self._done = 0
            self._pause()


class Cut:
    """Where the walk stops, besides modules, classes and code.

    Args:
        loops: Event loops: what they hold is held from outside.
    """

    def __init__(self, loops: Iterable[object]) -> None:
        modules = [module for module in list(sys.modules.values()) if issubclass(type(module), ModuleType)]
        self._ids = {id(dictionary_of(module)) for module in modules}
        self._ids |= {id(loop) for loop in loops}
        self._ids |= {id(sys.modules), id(gc.callbacks), id(gc.garbage)}

    def stops_at(self, found: object) -> bool:
        """Tell whether an object is not to be expanded."""
        kind = type(found)
        if issubclass(kind, _CUT) or id(found) in self._ids:
            return True
        # A builtin bound to a module leads to that module alone; one bound to an object is never cut.
        return kind is BuiltinFunctionType and issubclass(type(found.__self__), ModuleType)  # type: ignore[attr-defined]


class Closure:
    """Some objects and everything that they reach, each once.

    The objects are held alive as long as this is: drop it soon.

    Args:
        cut: Where the walk stops.
        pace: Told of the work.
        limit: Objects at which the walk ends.
    """

    def __init__(self, cut: Cut, pace: Pace, limit: int = MAX_OBJECTS) -> None:
        self.objects: list[Any] = []
        self._seen: set[int] = set()
        self._cut = cut
        self._pace = pace
        self._limit = limit

    @property
    def is_whole(self) -> bool:
        """Whether the walk came to its end and not to the limit."""
        return len(self.objects) < self._limit

    def add(self, start: Iterable[object], *, depth: int | None = None) -> None:
        """Add ``start`` and what it reaches, breadth first, unless it is there.

        Args:
            start: Where the walk begins.
            depth: Steps after which it ends; None for no end.

        Cost: about half a microsecond a reference.
        """
        found, seen, cut = self.objects, self._seen, self._cut
        begin, steps = len(found), 0
        for each in start:
            if id(each) not in seen:
                seen.add(id(each))
                found.append(each)
        while begin < len(found) < self._limit and (depth is None or steps < depth):
            end = len(found)
            for at in range(begin, end, _SLICE):
                referents = gc.get_referents(*found[at : min(at + _SLICE, end)])
                for reached in referents:
                    address = id(reached)
                    if address not in seen and gc.is_tracked(reached) and not cut.stops_at(reached):
                        seen.add(address)
                        found.append(reached)
                self._pace.work(len(referents))
                del referents
                if len(found) >= self._limit:
                    break
            begin, steps = end, steps + 1


@dataclass(slots=True)
class Accounts:
    """What one reading of a closure says, by position in it; no object is held.

    Attributes:
        held: Whether more references lead to the object than the closure accounts for.
        weak: How many weak references lead to it.
        edges: Positions that each object refers to: from ``starts[i]`` to ``starts[i + 1]``.
        starts: Where the edges of each object begin.
        waiters: Position of the future that each task is suspended on; -1 if it is not in the closure, -2 for none.
    """

    held: bytearray
    weak: list[int]
    edges: array[int]
    starts: array[int]
    waiters: list[int]

    def referents(self, place: int) -> Sequence[int]:
        """Return the positions that an object refers to."""
        return self.edges[self.starts[place] : self.starts[place + 1]]


def account(objects: list[Any], tasks: int, pace: Pace, *, held_by_us: int = 0) -> Accounts | None:
    """Read a closure in one instant, or return None if the garbage collector ran in that instant.

    Args:
        objects: The closure; held by the caller in this list and nowhere else.
        tasks: How many of its first objects are asyncio tasks.
        held_by_us: References that the caller has to each of these tasks besides.
        pace: Told of the work of the evaluation, which comes after the reading.

    Cost: 200 ns an object during which no other thread runs; then a microsecond a reference.
    """
    # The mark separates the referents of one object from those of the next; the probe tells how many references the
    # reading itself holds.
    mark, probe = object(), object()
    objects.append(probe)
    separator = [mark]
    asked = tuple(chain.from_iterable(zip(objects, repeat(separator), strict=False)))
    collections = _collections()
    reading = list(
        chain(
            map(sys.getrefcount, objects),
            map(weakref.getweakrefcount, objects),
            starmap(gc.get_referents, (asked,)),
            map(object.__getattribute__, objects[:tasks], repeat("_fut_waiter")),
        )
    )
    disturbed = _collections() != collections
    objects.pop()
    del asked
    if disturbed:
        return None
    # One reference more to each task is the list in which its waiter was asked for.
    return _evaluate(objects, reading, mark, (tasks, held_by_us + 1), pace)


def _evaluate(
    objects: list[Any], reading: list[Any], mark: object, held_by_us: tuple[int, int], pace: Pace
) -> Accounts:
    size = len(objects)
    # The name of the probe is one reference more than the list, the question and the iterator hold.
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
        if issubclass(type(each), _BORROWS):
            _count_once(edges[starts[place] : starts[place + 1]], within)
    for task in range(held_by_us[0]):
        within[task] += held_by_us[1]
    held = bytearray(count - own > inside for count, inside in zip(reading[:size], within, strict=True))
    return Accounts(held, reading[size + 1 : 2 * size + 1], edges, starts, waiters)


def _count_once(referents: Sequence[int], within: list[int]) -> None:
    """Take back all but one of the references that one object seems to have to another."""
    for place in set(referents):
        within[place] -= referents.count(place) - 1


def _collections() -> list[int]:
    return [generation["collections"] for generation in gc.get_stats()]
