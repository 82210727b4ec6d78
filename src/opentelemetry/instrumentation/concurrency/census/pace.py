"""Loops over many rows that let the application run every thousand of them.

Python takes the interpreter from a busy thread only every five milliseconds; who waits for it waits that long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

SLICE: Final = 1_000
"""Rows between two pauses: half a millisecond to a millisecond of work."""

_T = TypeVar("_T")


def paced(items: Iterable[_T], pause: Callable[[], None]) -> Iterator[_T]:
    """Yield ``items``, calling ``pause`` after each `SLICE` of them. Cost: 50 ns an item."""
    for number, item in enumerate(items, 1):
        yield item
        if not number % SLICE:
            pause()


def rows_marked(marks: bytearray, mark: int) -> Iterator[int]:
    """Yield the rows whose mark is ``mark``. Cost: one C search; 0.1 µs a row found."""
    row = marks.find(mark)
    while row >= 0:
        yield row
        row = marks.find(mark, row + 1)
