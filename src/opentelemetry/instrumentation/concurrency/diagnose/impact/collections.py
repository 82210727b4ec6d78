"""Entries of built-in collections, read without the methods that a derived class may define."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

_KINDS: Final = (list, tuple, dict, set, frozenset, deque)

LEAVES: Final = frozenset(map(id, (str, bytes, bytearray, int, float, bool, type(None))))
"""Types without references to other objects, by address: a set of types would call the hash of a metaclass."""


def is_collection(found: Any) -> bool:
    """Return whether an object is a built-in collection, or of a type derived from one."""
    return issubclass(type(found), _KINDS)


def entries_of(found: Any) -> int:
    """Return the number of entries of a collection; 0 for other objects."""
    kind = type(found)
    if not issubclass(kind, _KINDS):
        return 0
    return next(base.__len__(found) for base in _KINDS if issubclass(kind, base))


def iterate(found: Any) -> Iterator[Any]:
    """Iterate over the entries of a collection: of a dictionary the values first, then the keys.

    Raises:
        RuntimeError: Once the collection was changed.
    """
    kind = type(found)
    if issubclass(kind, dict):
        return chain(dict.values(found), dict.keys(found))
    base = next(base for base in _KINDS if issubclass(kind, base))
    return base.__iter__(found)
