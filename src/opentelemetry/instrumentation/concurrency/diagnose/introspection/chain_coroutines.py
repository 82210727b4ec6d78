"""Coroutines in a suspended task's await chain; references to them wake nothing."""

from __future__ import annotations

from types import CoroutineType
from typing import Any, Final

from .known_waits import coroutine_of

_MAX_COROUTINES: Final = 10_000


def coroutines_of(task: object) -> list[Any]:
    """Return the coroutines of a suspended task's await chain, outermost first, up to the first of another type.

    They are built-in coroutines that await each other directly, each of which can be resumed only by its predecessor.
    Awaiting one elsewhere raises, and sending a value into it reaches the awaited future, which stays pending.
    """
    step: Any = coroutine_of(task)
    found = [] if step is None else [step]
    while type(step) is CoroutineType and len(found) <= _MAX_COROUTINES:
        # A single expression, so that no other thread runs in between.
        inner: Any = step.cr_running or step.cr_await
        if type(inner) is not CoroutineType or any(inner is item for item in found[-1:]):
            break
        found.append(inner)
        step = inner
    return found
