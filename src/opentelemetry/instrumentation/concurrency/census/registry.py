"""All tasks that asyncio knows, including those that bypassed the hooks.

On ≤ 3.13, ``asyncio.all_tasks`` from another thread took more than 100 s in a task storm, because it iterates over a
WeakSet in Python; copying the underlying set is one C call that cannot be interrupted. From 3.14 on, tasks are in
linked lists of the interpreter that only ``all_tasks`` can read. It stops the loop for 0.4 s at a million tasks, so the
census calls it rarely when there are many.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final
from weakref import ReferenceType

from ..record.internals.of_asyncio import eager_tasks, references_in, task_registries

_HAS_LINKED_LISTS: Final = sys.version_info >= (3, 14)


def registered_tasks(
    loops: Iterable[Any], inherited: Mapping[int, ReferenceType[Any]] = MappingProxyType({})
) -> Iterator[Any]:
    """Yield every pending task that asyncio knows, one at a time and without keeping references.

    Args:
        loops: The known event loops; used on ≥ 3.14 only.
        inherited: The parent's tasks in a forked child, by address; not yielded.
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
    for registry in task_registries():
        references = list(references_in(registry))
        while references:
            task = references.pop()()
            if task is not None and not task.done():
                yield task
    for task in list(eager_tasks()):
        if not task.done():
            yield task


def _linked_tasks(tasks: Any, loop: Any) -> Iterator[Any]:
    found = list(tasks.all_tasks(loop))
    while found:
        yield found.pop()


def most_registered() -> int | None:
    """Return an upper bound of the number of pending tasks: on ≤ 3.13, finished tasks still referenced count as well.

    Returns None where only an iteration over all tasks could tell. Cost: none.
    """
    tasks = sys.modules.get("asyncio.tasks")
    if tasks is None:
        return 0
    if _HAS_LINKED_LISTS:
        return None
    return sum(len(references_in(registry)) for registry in task_registries()) + len(eager_tasks())
