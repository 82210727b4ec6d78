"""Columns of tasks and threads that survived a scan, of about 100 bytes per task.

There is one row per task or thread, in order of discovery: weak reference, site number, creation time, creator, creator
span, serial number, address. The garbage collector has no additional containers to traverse. The alternatives, an
attribute on the task (290 bytes on 3.11) and a dictionary by id, cost more.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from operator import delitem
from typing import Any, Final
from weakref import ReferenceType

from ..record.creator import CreatorSpan
from ..record.site import Site

Dropped = tuple["array[int]", "array[int]"]

_MOST_DROPPED: Final = 1_000_000
"""Maximum number of rows remembered while a collection is in progress."""


class Columns:
    """Rows of live tasks or threads.

    Not thread-safe: the census holds its lock around every use.

    Attributes:
        sweeps: Number of sweeps so far; a row number is valid until the next sweep.

    Args:
        is_finished: Returns whether a live object has finished.
        is_collecting: Returns whether a garbage collection is in progress; rows dropped during one are remembered
            until a sweep that begins after it.
    """

    def __init__(self, is_finished: Callable[[Any], bool], is_collecting: Callable[[], bool] = lambda: False) -> None:
        self.references: list[ReferenceType[Any]] = []
        self.sites: array[int] = array("L")
        self.created_at: array[float] = array("d")
        self.creators: list[ReferenceType[Any] | None] = []
        self.creator_spans: list[CreatorSpan | None] = []
        self.serials: array[int] = array("Q")
        self.addresses: array[int] = array("Q")
        # Whether it was created before `attach`, so that its age is a lower bound.
        self.before_attach = bytearray()
        self._attached: tuple[array[float] | bytearray, ...] = ()
        self.is_finished = is_finished
        self._is_collecting = is_collecting
        self._serial = 0
        self.sweeps = 0
        # Write and read positions of the current sweep; rows in between were moved or have finished.
        self._swept = 0, 0
        # Site numbers by address, for the first `_indexed` rows.
        self._site_at: dict[int, int] = {}
        self._indexed = 0
        # Addresses and site numbers of the rows dropped by the last sweep, and by the one before while a sweep is in
        # progress; during a collection, of all sweeps that began in it.
        self._dropped, self._dropped_before = _no_rows(), _no_rows()
        self._dropped_at: tuple[Dropped, dict[int, int], int] = (self._dropped, {}, 0)

    def __len__(self) -> int:
        return len(self.references)

    @property
    def last_serial(self) -> int:
        """The highest serial number assigned so far; later rows have higher ones."""
        return self._serial

    def attach(self, *columns: array[float] | bytearray) -> None:
        """Move columns of a later stage along with the rows from now on; they are 0 in new rows.

        Args:
            columns: Have one entry per row.
        """
        self._attached += columns

    def add(
        self,
        found: Any,
        reference: ReferenceType[Any],
        site: Site,
        created_at: float,
        creator: ReferenceType[Any] | None,
        creator_span: CreatorSpan | None,
    ) -> int:
        """Append a row and return its serial number, which is unique in this process."""
        self._serial += 1
        before = len(self.references)
        try:
            self.references.append(reference)
            self.sites.append(site.number)
            self.created_at.append(created_at)
            self.creators.append(creator)
            self.creator_spans.append(creator_span)
            self.serials.append(self._serial)
            self.addresses.append(id(found))
            self.before_attach.append(0)
            for column in self._attached:
                column.append(0)
        except BaseException:  # raised again after the cleanup
            self._drop(before, None)
            raise
        return self._serial

    def sweep(
        self, slice_size: int, tally: dict[int, list[float]], pause: Callable[[], None], births: Sequence[float]
    ) -> None:
        """Drop the rows of finished objects in place, and count the other rows by site.

        Args:
            slice_size: Rows between two pauses.
            tally: Filled with site number → [live, creation time of the oldest, counts by creation time]. The first
                count is of rows created before the first of ``births``, each further one of rows created between two
                of them. Rows created after the last are not counted.
            pause: Lets the application run.
            births: Times in ascending order.
        """
        self._swept = 0, 0
        self.sweeps += 1
        if not self._is_collecting() or len(self._dropped[0]) > _MOST_DROPPED:
            self._dropped_before, self._dropped = self._dropped, _no_rows()
        total = len(self.references)
        try:
            for start in range(0, total, slice_size):
                self._sweep_slice(start, min(start + slice_size, total), tally, births)
                pause()
        finally:
            # Also after an interruption, so that no row is lost or duplicated.
            self._drop(*self._swept)
            self._site_at, self._indexed = {}, 0
            self._dropped_before = _no_rows()

    def _sweep_slice(self, start: int, stop: int, tally: dict[int, list[float]], births: Sequence[float]) -> None:
        latest = births[-1]
        references, sites, created_at, is_finished = self.references, self.sites, self.created_at, self.is_finished
        addresses, numbers = self._dropped
        (write, _), row = self._swept, start
        try:
            for row in range(start, stop):
                found = references[row]()
                site = sites[row]
                if found is None or is_finished(found):
                    addresses.append(self.addresses[row])
                    numbers.append(site)
                    continue
                born = created_at[row]
                counted = tally.get(site)
                if counted is None:
                    counted = tally[site] = [0, born, *(0 for _ in births)]
                counted[0] += 1
                if born < counted[1]:
                    counted[1] = born
                if born <= latest:
                    counted[2 + bisect_left(births, born)] += 1
                if write != row:
                    self._move(row, write)
                write += 1
            row = stop
        finally:
            self._swept = write, row

    def _drop(self, start: int, stop: int | None) -> None:
        """Delete rows in all columns within one C call, so that no signal handler of the application can intervene."""
        deque(map(delitem, self._columns(), repeat(slice(start, stop))), maxlen=0)

    def _columns(self) -> tuple[Any, ...]:
        return (
            self.references,
            self.sites,
            self.created_at,
            self.creators,
            self.creator_spans,
            self.serials,
            self.addresses,
            self.before_attach,
            *self._attached,
        )

    def _move(self, row: int, to: int) -> None:
        for column in self._columns():
            column[to] = column[row]

    def serial_of(self, found: object) -> int | None:
        """Return the serial number of a live task or thread, or None. Cost: one search through the addresses in C."""
        row = self.row_of(found)
        return None if row is None else self.serials[row]

    def row_of(self, found: object) -> int | None:
        """Return the row of a live task or thread, or None. Starts with the newest: addresses are reused."""
        address = id(found)
        for row in _positions(self.addresses, address):
            if self.references[row]() is found:
                return row
        return None

    def site_of(self, found: object) -> int | None:
        """Return the site number of a task or thread, or None. Takes no lock and is safe during a scan.

        Cost: one search through the addresses in C, 1 ms at a million.
        """
        try:
            row = self.row_of(found)
            site = None if row is None else self.sites[row]
            # A scan may have moved the row after the search.
            return site if row is not None and self.references[row]() is found else None
        except IndexError:
            return None

    def site_at(self, address: int) -> int | None:
        """Return the site number of the newest row at an address, including rows that the last sweep dropped, or None.

        Used for objects that are being destroyed, whose weak reference may have been cleared before the sweep.

        Cost: one dictionary of all rows at the first call after a scan. Takes no lock and is safe during a scan: the
        garbage collector may call it at any point.
        """
        found, known = self._site_at, self._indexed
        total = min(len(self.addresses), len(self.sites))
        if total > known:
            found.update(zip(self.addresses[known:total], self.sites[known:total], strict=False))
            self._indexed = total
        number = found.get(address)
        return self._site_of_dropped(address) if number is None else number

    def _site_of_dropped(self, address: int) -> int | None:
        dropped = addresses, numbers = self._dropped
        of, found, known = self._dropped_at
        if of is not dropped:
            found, known = dict(zip(*self._dropped_before, strict=False)), 0
        total = min(len(addresses), len(numbers))
        if total > known:
            found.update(zip(addresses[known:total], numbers[known:total], strict=False))
        self._dropped_at = dropped, found, total
        return found.get(address)


def _no_rows() -> Dropped:
    return array("Q"), array("L")


def _positions(addresses: array[int], address: int) -> Iterator[int]:
    row, total = 0, len(addresses)
    while row < total:
        try:
            # 3.10 documents the start argument of array.index(); all supported versions accept it.
            row = addresses.index(address, row)
        except ValueError:
            return
        yield row
        row += 1
