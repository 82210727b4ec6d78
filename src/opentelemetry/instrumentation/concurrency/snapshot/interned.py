"""Numbering of equal values, so that shared values are written and hashed once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value", bound=Hashable)


class Interned(Generic[_Value]):
    """Numbers equal values from 0, in order of appearance.

    The stacks of a snapshot are shared objects, and hashing one takes microseconds. An object that was numbered before
    is therefore found by its identity.

    Attributes:
        values: The distinct values, each at the index equal to its number.
    """

    def __init__(self) -> None:
        self.values: list[_Value] = []
        self._by_value: dict[_Value, int] = {}
        # Safe because `values` keeps these objects alive, so that no id is reused.
        self._by_identity: dict[int, int] = {}

    def number(self, value: _Value) -> int:
        """Return the number of a value; a new value gets a new number."""
        found = self._by_identity.get(id(value))
        if found is None:
            found = self._by_value.get(value)
        if found is None:
            found = len(self.values)
            self.values.append(value)
            self._by_value[value] = self._by_identity[id(value)] = found
        return found
