"""What exists but was not recorded: tasks and threads that no hook of ours saw.

``asyncio.all_tasks`` from a foreign thread took more than 100 s in a task storm on ≤ 3.13, because it walks a WeakSet
in Python; copying the set inside it is one C call that nothing can interrupt. From 3.14 on tasks are in linked lists
of the interpreter and only ``all_tasks`` leads there; it stops the loop for 0.4 s at a million tasks, so the census
asks seldom when there are many.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final
from weakref import ReferenceType

_WEAK_SETS: Final = ("_all_tasks", "_scheduled_tasks")
_HAS_LINKED_LISTS: Final = sys.version_info >= (3, 14)


def registered_tasks(
    loops: Iterable[Any], inherited: Mapping[int, ReferenceType[Any]] = MappingProxyType({})
) -> Iterator[Any]:
    """Yield every undone task that asyncio itself knows, one at a time, without keeping any.

    Args:
        loops: The event loops known; used on ≥ 3.14 only.
        inherited: What a forked child has of its parent's and is not to be yielded, by address.
    """
    if not inherited:
        return _all_registered(loops)
    return filter(
        lambda task: (known := inherited.get(id(task))) is None or known() is not task, _all_registered(loops)
    )


def _all_registered(loops: Iterable[Any]) -> Iterator[Any]:
    tasks = sys.modules.get("asyncio.tasks")
    if tasks is None:
        return
    if _HAS_LINKED_LISTS:
        for loop in loops:
            yield from _linked_tasks(tasks, loop)
        return
    for weak_set in {id(found): found for name in _WEAK_SETS if (found := getattr(tasks, name, None))}.values():
        references = list(weak_set.data)
        while references:
            task = references.pop()()
            if task is not None and not task.done():
                yield task
    for task in list(getattr(tasks, "_eager_tasks", ())):
        if not task.done():
            yield task


def _linked_tasks(tasks: Any, loop: Any) -> Iterator[Any]:
    found = list(tasks.all_tasks(loop))
    while found:
        yield found.pop()


def most_registered() -> int | None:
    """Return how many undone tasks asyncio knows at most: done ones that somebody holds count too on ≤ 3.13.

    None where only a walk through all of them tells. Cost: none.
    """
    tasks = sys.modules.get("asyncio.tasks")
    if tasks is None:
        return 0
    if _HAS_LINKED_LISTS:
        return None
    weak_sets = {id(found): found for name in _WEAK_SETS if (found := getattr(tasks, name, None))}
    return sum(len(found.data) for found in weak_sets.values()) + len(getattr(tasks, "_eager_tasks", ()))
