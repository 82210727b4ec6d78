"""The callbacks that a future was made with, without a copy of the others.

Asking a C future for its ``_callbacks`` builds a list of them all: ten thousand tasks that await one future would cost
ten thousand times ten thousand. What asyncio itself adds (``shield``, ``run_in_executor``) it adds first.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final

_FEW: Final = 4


def first_callbacks(future: object) -> Iterator[FunctionType]:
    """Yield the functions among the first done callbacks of a future, and whatever other functions it refers to.

    Cost: one call into the garbage collector, whatever the number of callbacks.
    """
    for found in gc.get_referents(future):
        if type(found) is FunctionType:
            yield found
        elif type(found) is list:
            yield from _in_list(found)
        elif type(found) is dict and type(callbacks := found.get("_callbacks")) is list:
            # A future written in Python.
            yield from _in_list(callbacks)


def is_bare(future: object) -> bool:
    """Tell whether none of a future's first callbacks is a function: neither ``shield`` nor an executor holds it."""
    return next(first_callbacks(future), None) is None


def _in_list(callbacks: list[Any]) -> Iterator[FunctionType]:
    for each in callbacks[:_FEW]:
        if type(each) is tuple and each and type(each[0]) is FunctionType:
            yield each[0]
