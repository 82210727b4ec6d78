"""Object fields, attributes and slots, read without calling application code.

Properties, ``__getattr__``, ``__dict__``, ``__class__`` and ``__eq__`` may be overridden and may do anything. This
module therefore uses only exact types, C descriptors and identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

# Types are read through C descriptors too: attribute access may run the code of a metaclass.
type_name: Final[Any] = type.__dict__["__name__"].__get__
type_mro: Final[Any] = type.__dict__["__mro__"].__get__
type_dict: Final[Any] = type.__dict__["__dict__"].__get__

_MAX_ATTRIBUTES: Final = 200


def c_field(kind: type, name: str) -> Any:
    """Return the descriptor of a field that a type stores in C, or None if it is missing or overridden in Python."""
    for base in type_mro(kind):
        descriptor = type_dict(base).get(name)
        if descriptor is not None:
            is_c = type(descriptor) is GetSetDescriptorType or type(descriptor) is MemberDescriptorType
            return descriptor if is_c else None
    return None


def attributes_of(found: object) -> dict[str, Any]:
    """Return the attribute dictionary of an object; empty if it has none."""
    descriptor = c_field(type(found), "__dict__")
    attributes = None if descriptor is None else descriptor.__get__(found)
    return attributes if type(attributes) is dict else {}


def module_name(namespace: dict[str, Any]) -> str:
    """Return the ``__name__`` in a code's globals, which may be a subclass of dict; empty if it is not a string."""
    name = dict.get(namespace, "__name__")
    return name if type(name) is str else ""


def named_attributes(found: object) -> Iterator[tuple[str, Any]]:
    """Yield names and values of an object's attributes and slots, at most `_MAX_ATTRIBUTES` of each kind."""
    attributes = attributes_of(found)
    # A single C call, so that another thread cannot change the dictionary meanwhile.
    for name, value in list(dict.items(attributes))[:_MAX_ATTRIBUTES]:
        if type(name) is str:
            yield name, value
    for base in type_mro(type(found)):
        if "__slots__" not in type_dict(base):
            continue
        for name, descriptor in list(type_dict(base).items())[:_MAX_ATTRIBUTES]:
            if type(descriptor) is MemberDescriptorType:
                try:
                    yield name, descriptor.__get__(found)
                except AttributeError:  # an empty slot
                    continue


def items_within(found: Any) -> list[Any]:
    """Return at most `_MAX_ATTRIBUTES` items of a list, tuple or dictionary; an empty list for other objects.

    Overridden methods of subclasses, such as named tuples, are not called.
    """
    kind = type(found)
    if issubclass(kind, dict):
        return list(dict.values(found))[:_MAX_ATTRIBUTES]
    for base in (tuple, list):
        if issubclass(kind, base):
            return list(base.__getitem__(found, slice(_MAX_ATTRIBUTES)))
    return []
