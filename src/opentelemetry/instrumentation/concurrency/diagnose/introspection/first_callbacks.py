"""The first callbacks of a future, read without copying the others.

Reading ``_callbacks`` of a C future builds a list of all of them: for ten thousand tasks that await one future, that
would be ten thousand times ten thousand. The callbacks that asyncio itself adds (``shield``, ``run_in_executor``) are
the first ones.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final

_FEW: Final = 4


def first_callbacks(future: object) -> Iterator[FunctionType]:
    """Yield the functions among the first done callbacks of a future, and other functions that it refers to.

    Cost: one call to the garbage collector, independent of the number of callbacks.
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
    """Return whether the first callbacks of a future show that neither ``shield`` nor an executor uses it."""
    return next(first_callbacks(future), None) is None


def _in_list(callbacks: list[Any]) -> Iterator[FunctionType]:
    for callback in callbacks[:_FEW]:
        if type(callback) is tuple and callback and type(callback[0]) is FunctionType:
            yield callback[0]
