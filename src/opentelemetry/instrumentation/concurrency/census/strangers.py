"""Living tasks and threads that no hook saw: whether there may be any, which they are, and when they are entered.

To find them takes an index of all that is known, and up to Python 3.13 a copy of asyncio's own list, from 3.14 on a
walk through it that stops every thread (0.2 µs a task). With many tasks that is done only where it can find any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final
from weakref import ReferenceType, ref

from ..record.young import WIDTH, YoungList
from .by_address import NumbersByAddress
from .columns import Columns
from .pace import SLICE
from .registry import most_registered

_SOUGHT_ALWAYS_BELOW: Final = 20_000
_SOUGHT_EVERY: Final = 12


class Strangers:
    """Those of one kind, tasks or threads, from look to look. The census holds its lock around every use.

    Attributes:
        inherited: The parent's tasks, of which a forked child has copies that nothing runs: by address.
    """

    def __init__(self) -> None:
        self.inherited: dict[int, ReferenceType[Any]] = {}
        self._met_once: dict[int, ReferenceType[Any]] = {}
        self._entered: dict[int, ReferenceType[Any]] = {}
        self._ever_entered = False
        self._are_likely = False

    def are_sought(self, columns: Columns) -> bool:
        """Tell whether this look is to seek strangers: always among few tasks, else where there may be any."""
        return len(columns) < _SOUGHT_ALWAYS_BELOW or self._are_likely

    def judge(self, looks: int, columns: Columns, young: YoungList) -> None:
        """Say after a look whether the next one may find any, by counting. Cost: O(creations since the last look).

        Args:
            looks: How many looks there have been.
            columns: What is known to live.
            young: What was created since.
        """
        self._are_likely = bool(self._met_once)
        if self._are_likely or len(columns) < _SOUGHT_ALWAYS_BELOW or looks % _SOUGHT_EVERY:
            return
        registered = most_registered()
        if registered is None:
            # Only the walk could tell. Who never met one in small does not stop the application for it in large.
            self._are_likely = self._ever_entered
            return
        known = len(columns)
        known += sum(1 for reference in (*young.entries[::WIDTH], *self.inherited.values()) if reference() is not None)
        self._are_likely = registered > known

    def were_entered(self, found: Any) -> bool:
        """Tell whether ``found`` was entered as a stranger, before its hook came to its record."""
        entered = self._entered.get(id(found))
        return entered is not None and entered() is found

    def among(self, existing: Iterable[Any], columns: Columns, pause: Callable[[], None]) -> list[ReferenceType[Any]]:
        """Return those of ``existing`` that have no row, weakly. Cost: 0.3 µs for each row and each that exists."""
        rows, references, strangers = NumbersByAddress(), columns.references, list[ReferenceType[Any]]()
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
                    strangers.append(ref(found))
            # A pause keeps nothing alive.
            found = None
            if not seen:
                return strangers
            pause()

    def to_enter(self, references: list[ReferenceType[Any]], columns: Columns, *, at_once: bool) -> Iterator[Any]:
        """Yield what still has no row and is to get one now; remember the others for the next time.

        Args:
            references: What had no row before the young list was moved into ``columns``.
            columns: Where rows are.
            at_once: Enter a stranger at first sight. Else it has to be met twice, because a creation may be under
                way: the task exists, and its hook has not returned.
        """
        # Not row_of(): after a storm there are thousands of them, and each would search through all rows.
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
