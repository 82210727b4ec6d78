"""The parts of protobuf's wire format that a profile needs; the protobuf package is not a core dependency.

The format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2
_BITS: Final = 64


def varint(value: int) -> bytes:
    """Encode an integer of 64 bits, negative ones as two's complement."""
    value &= (1 << _BITS) - 1
    if value < 0x80:
        return bytes((value,))
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def number_field(field: int, value: int) -> bytes:
    """Return a field with a number; empty for 0, the default of an absent field."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def bytes_field(field: int, value: bytes) -> bytes:
    """Return a field with bytes, a text in UTF-8, or a message."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(len(value)) + value


def packed_field(field: int, values: Iterable[int]) -> bytes:
    """Return a field with a list of numbers; empty for an empty list."""
    packed = b"".join(map(varint, values))
    return bytes_field(field, packed) if packed else b""
