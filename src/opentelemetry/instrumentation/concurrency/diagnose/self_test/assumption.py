"""Assumptions about the internals of a library, and ways to check them without an instance."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple

from ...record.raw_fields import attributes_of, c_field, type_dict
from ..introspection.known_waits import code_of_function, type_module

_MAX_WRAPPERS: Final = 20
OWN_LIBRARIES: Final = ("asyncio", "threading", "concurrent.futures")
"""Modules of the standard library that count as libraries."""


class Assumption(NamedTuple):
    """Something that this package assumes about the internals of a library.

    Attributes:
        library: The library, as `library_of` returns it.
        what: A noun phrase with the private name.
        lost: A clause: the consequence if the assumption does not hold.
        holds: Returns whether it holds. An exception counts as no.
    """

    library: str
    what: str
    lost: str
    holds: Callable[[], bool]


def library_of(module: str) -> str:
    """Return the library that a module belongs to; ``Python`` for the other modules of the standard library."""
    own = next((each for each in OWN_LIBRARIES if module.startswith(each)), None)
    package = module.partition(".")[0]
    return own or ("Python" if package in sys.stdlib_module_names else package)


def has_field(found: object, name: str) -> bool:
    """Return whether an object has an attribute in its dictionary, in a slot or in a field of C."""
    return name in attributes_of(found) or c_field(type(found), name) is not None


def without_wrappers(function: Any) -> Any:
    """Return the function below all wrappers that show it, such as the hooks of this package."""
    for _ in range(_MAX_WRAPPERS):
        below = getattr(function, "__wrapped__", None)
        if below is None:
            break
        function = below
    return function


def mentions(function: Any, *names: str) -> bool:
    """Return whether the code of a function uses all of the names, for example to set these attributes."""
    return set(names) <= set(without_wrappers(function).__code__.co_names)


def codes_named(module: ModuleType, name: str) -> Iterator[CodeType]:
    """Yield the code of each function with a name in a module: on its top level, in its classes, in its functions.

    No code of the module runs: it may hold proxies that act at the first access.
    """
    outer: list[Any] = list(attributes_of(module).values())
    for kind in [each for each in outer if issubclass(type(each), type) and type_module(each) == module.__name__]:
        outer += type_dict(kind).values()
    pending = [code for each in outer if (code := code_of_function(each)) is not None]
    while pending:
        code = pending.pop()
        if code.co_name == name:
            yield code
        pending += [each for each in code.co_consts if type(each) is CodeType]
