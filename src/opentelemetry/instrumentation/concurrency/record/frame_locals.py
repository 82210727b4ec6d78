"""The variables of a running frame, read without side effects on the application.

Up to Python 3.12, ``frame.f_locals`` creates a dictionary that stays with the frame. It keeps values alive that the
application deletes, and it refreshes a dictionary that the application got from ``locals()`` before. On these versions:

- a frame is read only if no trace function is set: tracing writes that dictionary back into the variables;
- a frame whose code may have requested its own locals is not read at all;
- the dictionary is cleared again unless something other than the frame refers to it.

From 3.13 on, ``f_locals`` is a view without these side effects.
"""

from __future__ import annotations

import sys
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType
from typing import Any, Final

from .bytecode import names_in

_IS_VIEW: Final = sys.version_info >= (3, 13)
_ASK_FOR_LOCALS: Final = frozenset({"locals", "vars", "dir", "eval", "exec"})
_OWN_REFERENCES: Final = 3
"""The references of the frame, of the local variable and of the argument of `sys.getrefcount`."""


def is_readable(frame: FrameType) -> bool:
    """Return whether the variables of a frame can be read without side effects; False for module and class bodies."""
    code = frame.f_code
    if not code.co_flags & CO_OPTIMIZED:
        return False
    if _IS_VIEW:
        return True
    if sys.gettrace() is not None or frame.f_trace is not None or "f_locals" in code.co_names:
        return False
    return _ASK_FOR_LOCALS.isdisjoint(names_in(code).loaded)


def variables_of(frame: FrameType) -> dict[str, Any] | None:
    """Return a copy of a frame's variables, including its closure; None if reading them has side effects.

    Cost: about a microsecond. Drop the result quickly: it keeps the values alive.
    """
    if not is_readable(frame):
        return None
    if _IS_VIEW:
        return dict(frame.f_locals)
    kept = frame.f_locals
    if sys.getrefcount(kept) > _OWN_REFERENCES:
        # Another reader holds the dictionary and must keep its contents.
        return None
    values = dict(kept)
    kept.clear()
    return values


def parameter_names(code: CodeType) -> tuple[str, ...]:
    """Return the names of a function's parameters, ``*args`` and ``**kwargs`` included."""
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # CO_VARARGS, CO_VARKEYWORDS
    return code.co_varnames[:count]
