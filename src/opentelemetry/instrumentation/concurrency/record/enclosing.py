"""Origin of closure variables: given to the enclosing function, or made by it.

A decorator's inner function starts the function passed to the decorator. A request handler in an application factory
starts a function that the factory imported. Both find the function in their closure; only the first is a spawner.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .bytecode import contains_code, names_in
from .frame_locals import parameter_names
from .raw_fields import attributes_of, type_dict, type_mro
from .started import functions_behind


def is_imported_by_enclosing(value: object, name: str, code: CodeType, namespace: dict[str, Any]) -> bool:
    """Return whether a free variable holds a module's function that was not passed to the enclosing function.

    Args:
        value: The variable's value.
        name: The variable's name.
        code: The function that uses the variable.
        namespace: The globals of that function.

    Returns:
        Also False if the enclosing function cannot be found.
    """
    if type(value) is not FunctionType or type(value.__module__) is not str:
        return False
    # Read from the module's own dictionary: attribute access makes a lazy module start its import.
    if attributes_of(sys.modules.get(value.__module__)).get(value.__qualname__) is not value:
        return False
    enclosing = _function_that_shares(name, code, namespace)
    return enclosing is not None and name not in parameter_names(enclosing)


def is_parameter_of_enclosing(name: str, code: CodeType, namespace: dict[str, Any]) -> bool:
    """Return whether a variable is a parameter of a function that encloses ``code``; False if none is found.

    Args:
        name: The variable's name.
        code: The inner function.
        namespace: The globals of that function.
    """
    enclosing = _function_that_shares(name, code, namespace)
    return enclosing is not None and name in parameter_names(enclosing)


def finds_function(code: CodeType, namespace: dict[str, Any], sought: list[CodeType | None]) -> bool:
    """Return whether a function reaches one of the given codes by a global name, directly or as a module's member.

    Args:
        code: The code of the function.
        namespace: The function's globals.
        sought: The codes to find.
    """
    for name in names_in(code).loaded:
        value = dict.get(namespace, name)
        found = [value]
        if issubclass(type(value), ModuleType):
            members = attributes_of(value)
            found = [members.get(each.co_name) for each in sought if each is not None and each.co_name in code.co_names]
        if any(function.__code__ is each for it in found for function in functions_behind(it) for each in sought):
            return True
    return False


def has_method(candidate: object, code: CodeType) -> bool:
    """Return whether code belongs to a method of the object's class."""
    members = [type_dict(base).get(code.co_name) for base in type_mro(type(candidate))]
    return any(function.__code__ is code for member in members for function in functions_behind(member))


def _function_that_shares(name: str, code: CodeType, namespace: dict[str, Any]) -> CodeType | None:
    for outermost in _functions_of_module(code, namespace):
        for enclosing in _path(outermost, code):
            if name in enclosing.co_cellvars:
                return enclosing
    return None


def _functions_of_module(code: CodeType, namespace: dict[str, Any]) -> Iterator[CodeType]:
    """Yield the code of each module-level function or method that contains ``code``."""
    first = getattr(code, "co_qualname", "").partition(".")[0]
    # On 3.10, code objects have no qualified name, so all functions of the module are searched.
    for value in [dict.get(namespace, first)] if first else list(dict.values(namespace)):
        within = list(type_dict(value).values()) if issubclass(type(value), type) else [value]
        for each in within:
            for function in functions_behind(each):
                if contains_code(function.__code__, code):
                    yield function.__code__


def _path(outer: CodeType, code: CodeType) -> list[CodeType]:
    """Return the functions that enclose ``code`` within ``outer``, innermost first."""
    for constant in outer.co_consts:
        if constant is code:
            return [outer]
        if type(constant) is CodeType and contains_code(constant, code):
            return [*_path(constant, code), outer]
    return []
