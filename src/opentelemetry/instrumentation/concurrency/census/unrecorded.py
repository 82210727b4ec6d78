"""Unrecorded tasks and threads, which bypassed the hooks: detection and entry.

Finding them requires an index of all rows. Up to Python 3.13 it also requires a copy of asyncio's own list, from 3.14
on an iteration through it that stops every thread (0.2 µs per task). When there are many tasks, the search runs only if
it is likely to find any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any, Final
from weakref import ReferenceType, ref

from ..record.interpreter import FREE_THREADED
from ..record.young import WIDTH, YoungList
from .by_address import NumbersByAddress
from .columns import Columns
from .pace import SLICE
from .registry import most_registered

_SOUGHT_ALWAYS_BELOW: Final = 20_000
_SOUGHT_EVERY: Final = 12


class Unrecorded:
    """Unrecorded tasks or threads across scans. The census holds its lock around every use.

    Attributes:
        inherited: The parent's tasks by address; a forked child has copies of them that never run.
    """

    def __init__(self) -> None:
        self.inherited: dict[int, ReferenceType[Any]] = {}
        self._met_once: dict[int, ReferenceType[Any]] = {}
        self._entered: dict[int, ReferenceType[Any]] = {}
        self._ever_entered = False
        self._are_likely = False

    def are_sought(self, columns: Columns) -> bool:
        """Return whether this scan searches for unrecorded tasks: always if there are few, else if any are likely."""
        return len(columns) < _SOUGHT_ALWAYS_BELOW or self._are_likely

    def judge(self, scans: int, columns: Columns, young: YoungList) -> None:
        """Estimate by counting, after a scan, whether the next may find any. Cost: O(creations since the last scan).

        Args:
            scans: Number of scans so far.
            columns: The known live tasks or threads.
            young: The creations since the last scan.
        """
        self._are_likely = bool(self._met_once)
        if self._are_likely or len(columns) < _SOUGHT_ALWAYS_BELOW or scans % _SOUGHT_EVERY:
            return
        registered = most_registered()
        if registered is None:
            # If no unrecorded task was found while there were few tasks, skip the search when there are many.
            self._are_likely = self._ever_entered
            return
        known = len(columns)
        known += sum(1 for reference in (*young.entries[::WIDTH], *self.inherited.values()) if reference() is not None)
        self._are_likely = registered > known

    def were_entered(self, found: Any) -> bool:
        """Return whether ``found`` was entered as unrecorded before its hook recorded it."""
        entered = self._entered.get(id(found))
        return entered is not None and entered() is found

    def among(self, existing: Iterable[Any], columns: Columns, pause: Callable[[], None]) -> list[ReferenceType[Any]]:
        """Return weak references to those of ``existing`` without a row. Cost: 0.3 µs per row and per object."""
        rows, references, unrecorded = NumbersByAddress(), columns.references, list[ReferenceType[Any]]()
        for start in range(0, len(columns), 10 * SLICE):
            addresses = columns.addresses[start : start + 10 * SLICE]
            rows.add(addresses, range(start, start + len(addresses)))
            pause()
        left = iter(existing)
        while True:
            seen, found = 0, None
            for found in islice(left, 2 * SLICE):
                seen += 1
                if (row := rows.get(id(found))) is None or references[row]() is not found:
                    unrecorded.append(ref(found))
            # No object is kept alive during a pause.
            found = None
            if not seen:
                return unrecorded
            pause()

    def to_enter(self, references: list[ReferenceType[Any]], columns: Columns, *, at_once: bool) -> Iterator[Any]:
        """Yield objects that still have no row and get one now; remember the others for the next scan.

        Args:
            references: Objects without a row before the young list was moved into ``columns``.
            columns: The rows.
            at_once: Enter an object when it is first seen. Otherwise it must be seen twice, because its creation may be
                in progress: the task exists, but its hook has not returned.
        """
        # row_of() is avoided: after a storm there are thousands of objects, and each call would search all rows.
        rows = NumbersByAddress()
        if references:
            rows.add(columns.addresses, range(len(columns)))
        met_before, self._met_once = self._met_once, {}
        self._entered = {at: reference for at, reference in self._entered.items() if reference() is not None}
        for reference in references:
            found = reference()
            if found is None or ((row := rows.get(id(found))) is not None and columns.references[row]() is found):
                continue
            met = met_before.get(id(found))
            if at_once or (met is not None and met() is found):
                self._ever_entered = True
                self._entered[id(found)] = reference
                yield found
            else:
                self._met_once[id(found)] = reference


def name_of_unrecorded(task: Any) -> Any:
    """Return the object that names a task's site: its coroutine or, on free-threaded builds, the coroutine's code."""
    coroutine = task.get_coro()
    code = getattr(coroutine, "cr_code", None)
    if not FREE_THREADED or code is None:
        return coroutine
    modules = list(sys.modules.items())
    module = next((name for name, each in modules if vars(each).get("__file__") == code.co_filename), "")
    return SimpleNamespace(__code__=code, __module__=module)
