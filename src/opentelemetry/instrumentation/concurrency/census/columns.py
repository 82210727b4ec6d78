"""What survived a scan, in columns: about 100 bytes a task, and nothing for the garbage collector to walk.

One row a task or thread, in order of discovery: weak reference, site number, creation time, creator, creator span,
serial number, address. No attribute on the task (290 bytes on 3.11), no dictionary by id.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from operator import delitem
from typing import Any
from weakref import ReferenceType

from ..record.creator import CreatorSpan
from ..record.site import Site


class Columns:
    """Rows of living tasks or threads.

    Not thread-safe: the census holds its lock around every use.

    Args:
        is_gone: Tells whether a living object has ended.
    """

    def __init__(self, is_gone: Callable[[Any], bool]) -> None:
        self.references: list[ReferenceType[Any]] = []
        self.sites: array[int] = array("L")
        self.created_at: array[float] = array("d")
        self.creators: list[ReferenceType[Any] | None] = []
        self.creator_spans: list[CreatorSpan | None] = []
        self.serials: array[int] = array("Q")
        self.addresses: array[int] = array("Q")
        # The diagnosis' memory of each row: when its creator was first seen ended (0 = not yet), for how many scans in
        # a row it has looked like an orphan, what it was judged to be, and what the proof said of it.
        self.creator_ended_at: array[float] = array("d")
        self.suspected_looks = bytearray()
        self.is_orphan = bytearray()
        self.proof = bytearray()
        self.is_gone = is_gone
        self._serial = 0
        # Where the present sweep writes and reads: what lies between has been moved or has ended.
        self._swept = 0, 0
        self._site_at: dict[int, int] | None = None

    def __len__(self) -> int:
        return len(self.references)

    @property
    def last_serial(self) -> int:
        """The highest serial number given so far; what comes later has a higher one."""
        return self._serial

    def add(
        self,
        found: Any,
        reference: ReferenceType[Any],
        site: Site,
        created_at: float,
        creator: ReferenceType[Any] | None,
        creator_span: CreatorSpan | None,
    ) -> int:
        """Append a row and return its serial number, unique in this process."""
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
            self.creator_ended_at.append(0.0)
            self.suspected_looks.append(0)
            self.is_orphan.append(0)
            self.proof.append(0)
        except BaseException:
            self._drop(before, None)
            raise
        self._site_at = None
        return self._serial

    def sweep(
        self, slice_size: int, tally: dict[int, list[float]], pause: Callable[[], None], births: Sequence[float]
    ) -> None:
        """Drop the rows that ended, in place, and count the others by site.

        Args:
            slice_size: Rows between two pauses.
            tally: Site number → [live, creation time of the oldest, and how many were created between each two of
                ``births``, those before the first at first and those after the last left out]; filled here.
            pause: Lets the application run.
            births: Times, the earliest first.
        """
        self._swept = 0, 0
        total = len(self.references)
        try:
            for start in range(0, total, slice_size):
                self._sweep_slice(start, min(start + slice_size, total), tally, births)
                pause()
        finally:
            # Also where it was broken off: no row is lost or there twice.
            self._drop(*self._swept)
            self._site_at = None

    def _sweep_slice(self, start: int, stop: int, tally: dict[int, list[float]], births: Sequence[float]) -> None:
        latest = births[-1]
        references, sites, created_at, is_gone = self.references, self.sites, self.created_at, self.is_gone
        (write, _), row = self._swept, start
        try:
            for row in range(start, stop):
                found = references[row]()
                if found is None or is_gone(found):
                    continue
                site = sites[row]
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
        """Delete rows in all columns: within C, where no signal handler of the application can raise in between."""
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
            self.creator_ended_at,
            self.suspected_looks,
            self.is_orphan,
            self.proof,
        )

    def _move(self, row: int, to: int) -> None:
        for column in self._columns():
            column[to] = column[row]

    def serial_of(self, found: object) -> int | None:
        """Return the serial number of a living task or thread, or None. Cost: one C search through the addresses."""
        row = self.row_of(found)
        return None if row is None else self.serials[row]

    def row_of(self, found: object) -> int | None:
        """Return the row of a living task or thread, or None. The newest first: an address is used again."""
        address = id(found)
        for row in _positions(self.addresses, address):
            if self.references[row]() is found:
                return row
        return None

    def site_at(self, address: int) -> int | None:
        """Return the site number of the newest row at an address, or None. For what is being destroyed.

        Cost: one dictionary of all rows for the first question after a scan. Takes no lock and may be asked while the
        census is at work: the garbage collector asks at any place.
        """
        found = self._site_at
        if found is None:
            found = self._site_at = dict(zip(self.addresses, self.sites, strict=False))
        return found.get(address)


def _positions(addresses: array[int], address: int) -> Iterator[int]:
    row, total = 0, len(addresses)
    while row < total:
        try:
            # array.index() took no start before 3.10's successor documented it; all supported versions accept it.
            row = addresses.index(address, row)
        except ValueError:
            return
        yield row
        row += 1
