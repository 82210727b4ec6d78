"""Assumptions about the names of functions that wait, in each imported module that a table lists."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from ...record.greenlets import threads_are_greenlets
from ..introspection.known_waits import find_function
from ..introspection.waiting_functions import (
    INNERMOST_THREAD_WAITS,
    PLAIN_FUTURE_WAITS,
    TASK_WAITS,
    THREAD_WAITS,
    Table,
)
from .assumption import Assumption, library_of

_OF_TASKS: Final[tuple[Table, ...]] = (TASK_WAITS, PLAIN_FUTURE_WAITS)
_OF_THREADS: Final[tuple[Table, ...]] = (THREAD_WAITS, INNERMOST_THREAD_WAITS)
_LOOPS: Final = ("asyncio.base_events", "_events")
"""Modules of loops, each of which overrides some of the methods in the table."""
_ABSENT: Final = frozenset(
    each
    for each, is_absent in {
        ("subprocess", "io.read"): sys.platform != "win32",
        ("asyncio.locks", "barrier.wait"): sys.version_info < (3, 11),
    }.items()
    if is_absent
)
"""Wait reasons without a function on this system or version."""


def assumptions_on_waiting_functions() -> Iterable[Assumption]:
    """Yield one assumption per imported module and wait reason: that one of the functions exists.

    The names span all supported versions, so a version lacks some of them.
    """
    # gevent and eventlet replace the modules of threads; greenlets get no verdict.
    for table in _OF_TASKS if threads_are_greenlets() else _OF_TASKS + _OF_THREADS:
        for module, names in table.items():
            if sys.modules.get(module) is None:
                continue
            for reason, functions in _by_reason(module, names).items():
                yield Assumption(
                    library_of(module),
                    f"{module}.{functions[0]}",
                    f"waits have no reason {reason}" if reason else "waits for connections have no reason",
                    partial(_one_exists, module, functions),
                )


def _by_reason(module: str, names: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in names.items():
        if (module, reason) not in _ABSENT:
            found.setdefault("" if module.endswith(_LOOPS) else reason, []).append(name)
    return found


def _one_exists(module: str, functions: list[str]) -> bool:
    return any(find_function(module, name) is not None for name in functions)
