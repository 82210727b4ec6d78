"""Private names of `warnings`."""

from __future__ import annotations

import warnings
from types import FunctionType
from typing import Final

_REPORT: Final = "_warn_unawaited_coroutine"
"""The function that the interpreter looks up whenever it finalizes a coroutine that was never awaited."""


def unawaited_report() -> FunctionType | None:
    """Return the function that reports a coroutine that was never awaited; None if it is not a Python function."""
    found = vars(warnings).get(_REPORT)
    return found if type(found) is FunctionType else None


def set_unawaited_report(function: FunctionType) -> None:
    """Replace that function."""
    setattr(warnings, _REPORT, function)
