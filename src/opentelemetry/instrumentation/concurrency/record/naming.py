"""Names of code: module, qualified function, file and line.

Naming is slow and happens only when a name is read. Recording keeps code objects and instruction offsets.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, Final

_COMPREHENSION: Final = re.compile(r"\.<(?:list|set|dict)comp>")
_HAS_QUALNAME = sys.version_info >= (3, 11)


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of code as text, such as a frame of a stack: qualified function, absolute path, line number."""

    function: str
    path: str
    line: int


def line_of(code: CodeType, lasti: int) -> int:
    """Return the source line of the instruction at ``lasti`` (bytes), or the first line of ``code`` if it has none."""
    if lasti >= 0:
        for start, end, line in code.co_lines():
            if start <= lasti < end:
                return line or code.co_firstlineno
    return code.co_firstlineno


def function_name(code: CodeType, module: str) -> str:
    """Return ``module.Class.method`` for ``code``, without ``<locals>`` parts.

    Args:
        code: The code object to name.
        module: The ``__name__`` of the module whose globals the code runs with; empty if unknown.

    Cost: one attribute access on Python ≥ 3.11; one cached search through the module on 3.10.
    """
    if _HAS_QUALNAME:
        qualified: str = code.co_qualname  # type: ignore[attr-defined,unused-ignore]  # since 3.11
    else:
        qualified = _search_qualified_name(code, module)
    # Up to 3.11, a comprehension is a function of its own; a line must have the same name on all versions.
    qualified = _COMPREHENSION.sub("", qualified.replace("<locals>.", ""))
    return f"{module}.{qualified}" if module else qualified


@lru_cache(maxsize=4096)
def relative_path(path: str) -> str:
    """Return ``path`` relative to the longest ``sys.path`` entry that contains it, or unchanged if there is none.

    Metrics use this form, so that a line belongs to the same series in every image and checkout.
    """
    best = ""
    for entry in sys.path:
        prefix = os.path.join(os.path.abspath(entry or os.getcwd()), "")  # noqa: PTH100, PTH109, PTH118 (text only)
        if path.startswith(prefix) and len(prefix) > len(best):
            best = prefix
    return path[len(best) :]


@lru_cache(maxsize=4096)
def absolute_path(path: str) -> str:
    """Return ``path`` made absolute, leaving names such as ``<string>`` as they are."""
    if path.startswith("<"):
        return path
    # abspath() is avoided where possible: it reads the working directory, which detectors of blocking calls forbid.
    return os.path.normpath(path) if os.path.isabs(path) else os.path.abspath(path)  # noqa: PTH100, PTH117 (text only)


_names_of_module: dict[str, dict[int, tuple[CodeType, str]]] = {}


def _search_qualified_name(code: CodeType, module: str) -> str:
    names = _names_of_module.get(module)
    if names is None or id(code) not in names:
        names = _names_of_module[module] = {}
        for owner in list(vars(sys.modules.get(module, object())).values()) if module in sys.modules else ():
            _collect_names(owner, module, names)
        # A code object that is not reachable from the module keeps its bare name; that result is cached as well.
        names.setdefault(id(code), (code, code.co_name))
    return names[id(code)][1]


def _collect_names(owner: Any, module: str, names: dict[int, tuple[CodeType, str]]) -> None:
    # Checked by type, never by __class__: accessing an attribute of a lazy object would initialize it.
    if type(owner) is staticmethod or type(owner) is classmethod:
        owner = owner.__func__
    if type(owner) is property:
        owner = owner.fget
    if type(owner) is FunctionType:
        while type(wrapped := owner.__dict__.get("__wrapped__")) is FunctionType:
            _collect_nested(owner.__code__, owner.__qualname__, names)
            owner = wrapped
        _collect_nested(owner.__code__, owner.__qualname__, names)
    elif issubclass(type(owner), type) and type.__getattribute__(owner, "__dict__").get("__module__") == module:
        for member in list(type.__getattribute__(owner, "__dict__").values()):
            if not issubclass(type(member), type):
                _collect_names(member, module, names)


def _collect_nested(code: CodeType, qualified: str, names: dict[int, tuple[CodeType, str]]) -> None:
    if id(code) in names:
        return
    names[id(code)] = (code, qualified)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _collect_nested(constant, f"{qualified}.{constant.co_name}", names)
