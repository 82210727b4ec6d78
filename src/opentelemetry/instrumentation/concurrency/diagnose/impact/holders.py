"""The variables that keep leaked tasks alive, and those that hold what the tasks wait for, by name.

A name is a path such as ``shop.background._running``. Keys and indexes are masked as ``[…]``, because they are data of
the application. Paths end at the queue, lock, event or stream that the tasks wait for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import ReferenceType

from ...record.raw_fields import attributes_of, named_attributes, type_dict, type_name
from ..introspection.known_waits import is_pending, is_task, type_module, waiter_of
from ..proof.closure import Cut
from ..proof.variables import is_primitive
from ..proof.wait_graph import awaited_tasks
from ..proof.wakeability import alive
from .collections import is_collection
from .named_walk import NamedWalk, Root

MASK: Final = "[…]"
_MOST_TARGETS: Final = 200
"""Number of tasks per group whose holders are sought, evenly spaced."""
_MOST_STEPS: Final = 12
_NAME_LIMIT: Final = 60
_NAMESPACES: Final = {("starlette.datastructures", "State"): "_state"}
"""Classes whose attributes are entries of one of their dictionaries."""


@dataclass(frozen=True, slots=True)
class Holders:
    """The names of what holds a leak.

    Attributes:
        held_by: The variable that keeps the tasks alive; empty if none was found.
        waits_on: The variable that holds what they wait for; empty if none was found.
    """

    held_by: str = ""
    waits_on: str = ""


def find_holders(
    groups: Sequence[Sequence[ReferenceType[Any]]],
    others: Iterable[Any],
    loops: Iterable[Any],
    application: Iterable[str],
    cut: Cut,
    pause: Callable[[], None],
) -> tuple[list[Holders], set[int]]:
    """Return the holders of groups of leaked tasks, and the addresses of objects that others hold. Never raises.

    Args:
        groups: Weak references to the tasks of each group.
        others: Further suspended tasks whose variables are searched, the most important first.
        loops: The event loops.
        application: Names of top-level packages that count as application code besides modules outside libraries.
        cut: Library objects, which are not searched.
        pause: Called often between slices of work, to let the event loop run.

    Cost: some milliseconds; 50 at most.
    """
    try:
        return _find(groups, others, loops, frozenset(application), cut, pause)
    except Exception:  # noqa: BLE001 (inspection must not fail, whatever the inspected objects do)
        return [Holders() for _ in groups], set()


def _find(
    groups: Sequence[Sequence[ReferenceType[Any]]],
    others: Iterable[Any],
    loops: Iterable[Any],
    application: frozenset[str],
    cut: Cut,
    pause: Callable[[], None],
) -> tuple[list[Holders], set[int]]:
    kept: list[set[int]] = []
    awaited: list[set[int]] = []
    for group in groups:
        tasks = list(alive(group[:: -(-len(group) // _MOST_TARGETS) or 1]))
        kept.append(set(map(id, tasks)))
        awaited.append({id(waiter) for task in tasks for waiter in _waiters_of(task)})
        tasks.clear()
    targets: set[int] = set().union(*kept, *awaited)
    walk = NamedWalk(targets, application, cut, pause)

    def is_done() -> bool:
        found = walk.found.keys()
        return all(2 * len(found & ids) >= len(ids) for ids in (*kept, *awaited))

    walk.walk((task for task in others if id(task) not in targets), loops, is_done)
    holders = [
        Holders(name_of(walk, ids, ends_at_primitive=False), name_of(walk, waiters, ends_at_primitive=True))
        for ids, waiters in zip(kept, awaited, strict=True)
    ]
    return [Holders(each.held_by or each.waits_on, each.waits_on) for each in holders], walk.addresses()


def _waiters_of(task: Any) -> Iterator[Any]:
    """Yield the futures that a task waits for, directly and through the tasks that it awaits."""
    pending, seen = [task], {id(task)}
    while pending:
        current = pending.pop()
        waiter = waiter_of(current)
        if waiter is not None and not is_task(waiter) and is_pending(waiter):
            yield waiter
        for each in awaited_tasks(current):
            if id(each) not in seen:
                seen.add(id(each))
                pending.append(each)


def name_of(walk: NamedWalk, addresses: set[int], *, ends_at_primitive: bool) -> str:
    """Return the name of what leads to most of the targets, the nearest first; empty if none was found.

    Args:
        walk: A walk that has ended.
        addresses: Addresses of the targets.
        ends_at_primitive: Whether a name ends at a queue, lock, event or stream on its path, and keeps its last index.
    """
    names: Counter[str] = Counter()
    for address in sorted(addresses & walk.found.keys(), key=walk.found.__getitem__):
        path = walk.path_to(address)
        if ends_at_primitive:
            end = next((place for place, each in enumerate(path) if place and is_primitive(each)), len(path) - 1)
            path = path[: end + 1]
        names[path_text(path, keeps_index=ends_at_primitive)] += 1
    return max(names, key=names.__getitem__) if names else ""


def path_text(path: Sequence[Any], *, keeps_index: bool) -> str:
    """Return the name of a path through objects.

    Args:
        path: The objects, a `Root` or an event loop first.
        keeps_index: Whether an entry of a collection is named as such, rather than its collection.
    """
    if type(path[0]) is not Root:
        return _text_of_loop(path)
    path = _without_dictionaries(path)
    name: str = path[0].name
    steps: list[str] = []
    for place in range(len(path) - 1):
        step = _step(path, place)
        if issubclass(type(path[place + 1]), type):
            name, steps = f"{type_module(path[place + 1])}.{type_name(path[place + 1])}", []
        elif step:
            steps.append(step)
    while steps and steps[-1] == MASK and not keeps_index:
        steps.pop()
    if len(steps) > _MOST_STEPS:
        steps = [*steps[: _MOST_STEPS // 2], ".…", *steps[-_MOST_STEPS // 2 :]]
    return name + "".join(steps).replace(MASK * 2, MASK)


def _text_of_loop(path: Sequence[Any]) -> str:
    """Return the name of what an event loop holds: a timer, or the first object that is not of a library."""
    kinds = {type_name(type(each)) for each in path}
    what = "a timer" if "TimerHandle" in kinds else "a callback" if "Handle" in kinds else "an object"
    return f"{what} of the event loop"


def _step(path: Sequence[Any], place: int) -> str:
    """Return the name by which an object on a path refers to the next one; empty if it has none."""
    holder, held = path[place], path[place + 1]
    if type(holder) is Root:
        return _attribute(_name_in(holder.variables, held))
    if type(holder) is dict and place and _has_attributes_in(path[place - 1], holder):
        return _attribute(_name_in(holder, held))
    if is_collection(holder):
        return MASK
    if issubclass(type(holder), type):
        return _attribute(_name_in(type_dict(holder), held))
    if type(held) is dict and _has_attributes_in(holder, held):
        return ""
    return _attribute(next((name for name, value in named_attributes(holder) if value is held), ""))


def _without_dictionaries(path: Sequence[Any]) -> list[Any]:
    """Return a path without the ``__dict__`` of the objects on it."""
    return [
        each
        for place, each in enumerate(path)
        if not (place > 1 and type(each) is dict and attributes_of(path[place - 1]) is each)
    ]


def _name_in(namespace: Mapping[Any, Any], held: Any) -> str:
    """Return the name that refers to an object in a namespace; empty if there is none."""
    names = (name for name in list(namespace) if type(name) is str)
    return next((name for name in names if namespace.get(name) is held), "")


def _has_attributes_in(owner: Any, found: dict[Any, Any]) -> bool:
    """Return whether a class shows the entries of one of its dictionaries as attributes."""
    name = _NAMESPACES.get((type_module(type(owner)), type_name(type(owner))))
    return name is not None and attributes_of(owner).get(name) is found


def _attribute(name: Any) -> str:
    """Return an attribute as a step of a path; masked if its name is not one that code would use."""
    if type(name) is not str or not name:
        return ""
    return f".{name}" if name.isidentifier() and len(name) <= _NAME_LIMIT else MASK
