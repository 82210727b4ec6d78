"""The memory that only certain tasks hold, by trial deletion.

The tasks are taken as ended: the references of their coroutines are subtracted from the counts of what they refer to.
An object whose references are all subtracted would be freed, and its own references are subtracted in turn, as the
interpreter would do it. Objects that something else holds are therefore never entered, however much they reach.

Cycles remain. Objects that lack references are expanded as well, up to a limit, and what is held only from within the
expanded part is freed too, as CPython's collector does it.

- Everything that cannot be accounted for counts as held, so that the result is too low rather than too high.
- The objects are read in slices, between which other threads run. Code that changes references meanwhile can only
  affect the objects concerned.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

from ...census.pace import paced
from ..introspection.chain_coroutines import coroutines_of
from ..introspection.known_waits import is_pending, is_task, waiter_of
from ..proof.closure import BORROWS, Cut, Pace, TooMuchWorkError
from ..proof.wait_graph import awaited_tasks
from .collections import LEAVES, entries_of, iterate
from .sizes import Sizes, numpy_arrays

MAX_OBJECTS: Final = 300_000
"""Maximum number of objects of one measurement; 100 bytes each."""
MAX_WORK: Final = 2_000_000
"""Maximum number of references that one measurement inspects: about a second."""
_CYCLES_LIMIT: Final = 20_000
"""Maximum number of objects that are expanded in search of cycles, and as many again per `_TASKS_PER_LIMIT`."""
_TASKS_PER_LIMIT: Final = 5_000
_BETWEEN_PAUSES_S: Final = 0.002
_SLICE: Final = 500
_CHUNK: Final = 2_000


@dataclass(frozen=True, slots=True)
class ExclusiveMemory:
    """The memory that only certain tasks hold.

    Attributes:
        bytes: The sum of the sizes.
        objects: Number of objects that it is the sum of.
        seen: Number of objects that were inspected.
        is_complete: Whether no limit was reached; otherwise there is more.
        not_counted: Types of objects that own memory they do not report, with their number.
    """

    bytes: int
    objects: int
    seen: int
    is_complete: bool
    not_counted: tuple[tuple[str, int], ...] = ()


def exclusive_memory(
    tasks: Iterable[Any], cut: Cut, pause: Callable[[], None], *, live: Container[int] = (), max_work: int = MAX_WORK
) -> ExclusiveMemory:
    """Return the memory that would be free if tasks, and the tasks that they await, ended.

    Args:
        tasks: asyncio tasks.
        cut: Objects that are held whatever ends: modules, classes, loops.
        pause: Called often between slices of work, to let the event loop run.
        live: Addresses of objects that are known to be held by others; not searched for cycles.
        max_work: Maximum number of references to inspect.

    Cost: about a microsecond per reference.
    """
    pause = rarely(pause)
    trial = _Trial(tasks, cut, pause, live, max_work)
    is_complete = True
    try:
        trial.free()
        is_complete = trial.free_cycles()
    except TooMuchWorkError:
        is_complete = False
    sizes = Sizes()
    freed = 0
    for batch in trial.freed():
        freed += len(batch)
        sizes.add(batch)
        batch.clear()
        pause()
    is_complete &= trial.is_complete
    return ExclusiveMemory(sizes.total, freed, len(trial.objects), is_complete, sizes.not_counted)


def rarely(pause: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls ``pause`` unless it did so in the last milliseconds of work."""
    last = -_BETWEEN_PAUSES_S

    def pause_if_due() -> None:
        nonlocal last
        if time.perf_counter() - last >= _BETWEEN_PAUSES_S:
            pause()
            last = time.perf_counter()

    return pause_if_due


class _Trial:
    """The objects that the tasks reach, and how many of their references are accounted for."""

    def __init__(
        self, tasks: Iterable[Any], cut: Cut, pause: Callable[[], None], live: Container[int], max_work: int
    ) -> None:
        self.objects: list[Any] = []
        self.is_complete = True
        self._cut = cut
        self._pause = pause
        self._pace = Pace(pause, max_work)
        self._live = live
        self._arrays = numpy_arrays()
        # Places of objects by address; -1 for objects that are held by others in any case.
        self._places: dict[int, int] = {}
        self._missing: list[int] = []
        self._freed = bytearray()
        self._expanded = bytearray()
        ended = _with_awaited(tasks)
        self._begin(ended)
        self._tasks = len(ended)

    def _begin(self, tasks: list[Any]) -> None:
        """Add the tasks and their coroutines as freed; their waiters only drop what they refer to."""
        ended = [*tasks, *chain.from_iterable(map(coroutines_of, tasks))]
        waiters = [waiter for task in tasks if (waiter := waiter_of(task)) is not None and not is_task(waiter)]
        for found in (*ended, *waiters):
            if id(found) not in self._places:
                self._places[id(found)] = len(self.objects)
                self.objects.append(found)
        self._missing += [1] * len(self.objects)
        self._freed += bytes(len(self.objects))
        self._expanded += bytes(len(self.objects))
        for found in ended:
            self._freed[self._places[id(found)]] = 1
        self._waiters = [self._places[id(each)] for each in waiters if not self._freed[self._places[id(each)]]]
        found = None
        waiters.clear()
        for place, count in zip(self._waiters, self._counts(self._waiters), strict=True):
            self._missing[place] = count

    def free(self) -> None:
        """Free what the tasks hold alone, cycles aside."""
        ready = [place for place in range(len(self.objects)) if self._freed[place]] + self._waiters
        while ready:
            following: list[int] = []
            for start in range(0, len(ready), _SLICE):
                self._subtract(ready[start : start + _SLICE], following)
            for place in following:
                self._freed[place] = 1
            objects, expanded = self.objects, self._expanded
            ready = [place for place in following if not (expanded[place] or id(type(objects[place])) in LEAVES)]

    def free_cycles(self) -> bool:
        """Free cycles that only the freed objects hold. Return whether the search was complete."""
        limit = _CYCLES_LIMIT * (1 + self._tasks // _TASKS_PER_LIMIT)
        first = len(self.objects)
        frontier = self._candidates(range(first))
        while frontier and len(self.objects) < first + limit:
            known = len(self.objects)
            for start in range(0, len(frontier), _SLICE):
                self._subtract(frontier[start : start + _SLICE], [])
                if len(self.objects) >= first + limit:
                    break
            frontier = self._candidates(range(known, len(self.objects)))
        self._keep_held()
        return not frontier

    def freed(self) -> Iterator[list[Any]]:
        """Yield the freed objects in slices."""
        for start in range(0, len(self.objects), _SLICE):
            yield [
                self.objects[place]
                for place in range(start, min(start + _SLICE, len(self.objects)))
                if self._freed[place]
            ]

    def _candidates(self, places: Sequence[int]) -> list[int]:
        """Return the places of objects that may be part of a cycle, without those freed or known to be held."""
        unknown = [
            place for place in paced(places, self._pause) if not self._freed[place] and not self._expanded[place]
        ]
        return [
            place
            for place in paced(unknown, self._pause)
            if gc.is_tracked(self.objects[place]) and id(self.objects[place]) not in self._live
        ]

    def _keep_held(self) -> None:
        """Mark as freed what no held object leads to."""
        held = bytearray(count > 0 for count in paced(self._missing, self._pause))
        everything = range(len(self.objects))
        work = [place for place in paced(everything, self._pause) if held[place] and not self._freed[place]]
        while work:
            following: list[int] = []
            expanded = [place for place in work if self._expanded[place]]
            for start in range(0, len(expanded), _SLICE):
                for reached in self._referents(expanded[start : start + _SLICE]):
                    for each in reached:
                        place = self._places.get(id(each), -1)
                        if place >= 0 and not held[place] and not self._freed[place]:
                            held[place] = 1
                            following.append(place)
                    self._pace.work(len(reached))
            work = following
        for place in paced(everything, self._pause):
            if not held[place]:
                self._freed[place] = 1

    def _subtract(self, places: list[int], freed: list[int]) -> None:
        """Subtract the references of objects, and add objects without further references to ``freed``."""
        known, missing = self._places, self._missing
        for place in places:
            self._expanded[place] = 1
        for reached in self._referents(places):
            begin = len(self.objects)
            seen: list[int] = []
            for each in reached:
                place = known.get(id(each), -2)
                if place == -2:
                    if len(self.objects) >= MAX_OBJECTS:
                        self.is_complete = False
                        continue
                    place = known[id(each)] = -1 if self._is_held(each) else len(self.objects)
                    if place >= 0:
                        self.objects.append(each)
                if place >= 0:
                    seen.append(place)
            work = len(reached)
            # No reference of this function may be counted.
            each = None
            reached.clear()
            missing += self._counts(range(begin, len(self.objects)))
            self._freed += bytes(len(self.objects) - begin)
            self._expanded += bytes(len(self.objects) - begin)
            for place in seen:
                missing[place] -= 1
                if not missing[place] and not self._freed[place]:
                    freed.append(place)
            self._pace.work(work)

    def _is_held(self, found: Any) -> bool:
        if id(type(found)) in LEAVES:
            return False
        return self._cut.stops_at(found) or (is_task(found) and is_pending(found))

    def _counts(self, places: Iterable[int]) -> list[int]:
        """Return the number of references to objects, without those of this trial."""
        probe = object()
        self.objects.append(probe)
        counts = list(map(sys.getrefcount, map(self.objects.__getitem__, (*places, len(self.objects) - 1))))
        self.objects.pop()
        own = counts.pop() - 1
        return [count - own for count in counts]

    def _referents(self, places: list[int]) -> Iterator[list[Any]]:
        """Yield the objects that others refer to, in lists that the caller clears."""
        plain: list[Any] = []
        entries = 0
        for place in places:
            found = self.objects[place]
            size = entries_of(found)
            if size > _CHUNK:
                yield from self._in_chunks(found)
                continue
            if entries + size > _CHUNK:
                yield self._all_referents(plain)
                plain, entries = [], 0
            plain.append(found)
            entries += size + 1
        found = None
        yield self._all_referents(plain)

    def _all_referents(self, objects: list[Any]) -> list[Any]:
        reached: list[Any] = []
        if BORROWS:
            for found in objects:
                if issubclass(type(found), BORROWS):
                    reached += {id(each): each for each in gc.get_referents(found)}.values()
            objects = [found for found in objects if not issubclass(type(found), BORROWS)]
        reached += gc.get_referents(*objects)
        if self._arrays is not None:
            arrays = [found for found in objects if issubclass(type(found), self._arrays.kind)]
            reached += [base for found in arrays if (base := self._arrays.base_of(found)) is not None]
        return reached

    def _in_chunks(self, found: Any) -> Iterator[list[Any]]:
        """Yield the entries of a large collection; what else it refers to counts as held."""
        entries = iterate(found)
        while True:
            try:
                part = list(islice(entries, _CHUNK))
            except RuntimeError:  # it was changed meanwhile
                self.is_complete = False
                return
            if not part:
                return
            yield part


def _with_awaited(tasks: Iterable[Any]) -> list[Any]:
    """Return tasks and all pending tasks that are cancelled with them."""
    found = list(tasks)
    seen = set(map(id, found))
    for task in found:
        for awaited in awaited_tasks(task, behind_shields=False):
            if id(awaited) not in seen:
                seen.add(id(awaited))
                found.append(awaited)
    return found
