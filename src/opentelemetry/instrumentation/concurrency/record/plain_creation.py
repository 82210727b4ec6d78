"""Conditions under which the hook on `create_task` may create the task itself.

Without a task factory, the method creates a `Task` and does nothing else. If that is certain, the hook does the same
instead of calling the method, which saves one Python call, 0.2 µs per creation. If the method differs from the known
ones (another patch, a future Python), the hook calls it.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, Final

_NAMES: Final = {"_check_closed", "_task_factory", "tasks", "Task", "_source_traceback", "_set_task_name", "set_name"}
"""All names that the method uses from Python 3.10 to 3.15; a function limited to these can do little else."""
_CONSTANTS: Final = {None, -1, "loop", "name", "context"}
_DEFAULTS: Final[dict[str, Any]] = {"name": None, "context": None}


def task_module_below(create: object) -> Any | None:
    """Return the module whose ``Task`` a ``create_task`` creates if it does nothing else, or None if it may do more.

    Args:
        create: The method that is being hooked.
    """
    import asyncio

    if not isinstance(create, FunctionType) or create.__globals__ is not vars(asyncio.base_events):
        return None
    code = create.__code__
    constants = set(_flat(constant for constant in code.co_consts if constant is None or constant != create.__doc__))
    plain = (
        code.co_varnames[:2] == ("self", "coro")
        and code.co_argcount == 2
        and not code.co_freevars
        and set(code.co_names) <= _NAMES
        and constants <= _CONSTANTS
        and (create.__kwdefaults__ or {}).items() <= _DEFAULTS.items()
        and not create.__defaults__
    )
    return create.__globals__.get("tasks") if plain else None


def _flat(constants: Iterable[Any]) -> Iterable[Any]:
    for constant in constants:
        yield from constant if isinstance(constant, tuple) else (constant,)
