"""Sizes of single objects in bytes, read without running code of the application.

- A size is what the C method ``__sizeof__`` of a type returns. One that a class defines in Python is skipped in favour
  of the next in C, and the class is named as not counted completely.
- The buffers of ``bytes``, ``bytearray``, ``array`` and numpy arrays are included. A ``memoryview`` leads to the object
  whose buffer it shows.
- Objects of C extensions may own memory that they do not report. Their types are named as not counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import GetSetDescriptorType, MethodDescriptorType, ModuleType
from typing import Any, Final, NamedTuple

from ...record.raw_fields import type_dict, type_mro, type_name
from ..introspection.known_waits import type_module
from ..proof.closure import dictionary_of
from ..proof.roots import is_of_foreign_c

_HIDING_MODULES: Final = frozenset(
    {"_bz2", "_ctypes", "_gdbm", "_hashlib", "_lzma", "_sqlite3", "_ssl", "_tkinter", "_zoneinfo", "bz2", "lzma",
     "mmap", "pyexpat", "sqlite3", "zlib"}
)  # fmt: skip
"""Extensions of the standard library whose objects own memory that ``__sizeof__`` may omit."""
_MOST_NAMED: Final = 5


class _Kind(NamedTuple):
    """How to read the size of the objects of one type; ``name`` is empty if the size is complete."""

    size: Callable[[Any], int]
    name: str


class Sizes:
    """Adds up the sizes of objects.

    Attributes:
        total: The sum, in bytes.
    """

    def __init__(self) -> None:
        self.total = 0
        # By address, because a metaclass may define its own hash; the types are kept alive.
        self._kinds: dict[int, tuple[type, _Kind]] = {}
        self._not_counted: dict[str, int] = {}
        self._arrays = numpy_arrays()

    def add(self, objects: Iterable[Any]) -> None:
        """Add the sizes of objects. Cost: 0.2 µs per object."""
        for found in objects:
            kind = type(found)
            known = self._kinds.get(id(kind))
            if known is None:
                known = self._kinds[id(kind)] = (kind, _kind_of(kind, self._arrays))
            size, name = known[1]
            self.total += size(found)
            if name:
                self._not_counted[name] = self._not_counted.get(name, 0) + 1

    @property
    def not_counted(self) -> tuple[tuple[str, int], ...]:
        """Types whose objects own memory that was not counted, with their number, most frequent first."""
        most = sorted(self._not_counted.items(), key=lambda item: -item[1])
        return tuple(most[:_MOST_NAMED])


class NumpyArrays(NamedTuple):
    """Numpy's class of arrays, and the C descriptors of two of its attributes."""

    kind: type
    nbytes: Any
    base: Any

    def base_of(self, found: Any) -> Any:
        """Return the object that owns the memory of an array; None if the array owns it."""
        return self.base.__get__(found)


def numpy_arrays() -> NumpyArrays | None:
    """Return how numpy's arrays are read, or None if numpy is not imported."""
    module = sys.modules.get("numpy")
    if not issubclass(type(module), ModuleType):
        return None
    kind = dictionary_of(module).get("ndarray")
    if type(kind) is not type:
        return None
    nbytes, base = type_dict(kind).get("nbytes"), type_dict(kind).get("base")
    if type(nbytes) is not GetSetDescriptorType or type(base) is not GetSetDescriptorType:
        return None
    return NumpyArrays(kind, nbytes, base)


def _kind_of(kind: type, arrays: NumpyArrays | None) -> _Kind:
    if arrays is not None and issubclass(kind, arrays.kind):
        return _Kind(lambda found: _size_of_array(found, arrays), "")
    name = f"{type_module(kind)}.{type_name(kind)}"
    for base in type_mro(kind):
        method = type_dict(base).get("__sizeof__")
        if type(method) is not MethodDescriptorType:
            if method is not None:
                return _Kind(_c_method_of(kind), name)
            continue
        hides = base is object and any(map(_hides_memory, type_mro(kind)))
        return _Kind(sys.getsizeof, name if hides else "")
    return _Kind(object.__sizeof__, name)


def _c_method_of(kind: type) -> Callable[[Any], int]:
    """Return the first method ``__sizeof__`` of a type or its bases that is defined in C."""
    for base in type_mro(kind):
        method = type_dict(base).get("__sizeof__")
        if type(method) is MethodDescriptorType:
            return method
    return object.__sizeof__


def _hides_memory(kind: type) -> bool:
    return kind is not object and (type_module(kind) in _HIDING_MODULES or is_of_foreign_c(kind))


def _size_of_array(found: Any, arrays: NumpyArrays) -> int:
    size: int = object.__sizeof__(found)
    return size if arrays.base_of(found) is not None else size + int(arrays.nbytes.__get__(found))
