"""Groups of similar tasks and threads: which belong together, in what order they are shown, and with which stack."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from ..record.naming import CodeLine
from .values import LiveGroup

T = TypeVar("T")


def alike(members: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Return members with equal keys as one list each, in the order of their first members."""
    groups: dict[Hashable, list[T]] = {}
    for member in members:
        groups.setdefault(key(member), []).append(member)
    return list(groups.values())


def nearest_creation(
    stacks: Iterable[tuple[tuple[CodeLine, ...], bool]],
) -> tuple[tuple[CodeLine, ...], bool]:
    """Return the creation stack to show for a group: the first own stack of a member, or else another one of the site.

    Args:
        stacks: The creation stack of each member, and whether it belongs to another task or thread.
    """
    of_another: tuple[CodeLine, ...] = ()
    for stack, sampled in stacks:
        if stack and not sampled:
            return stack, False
        of_another = of_another or stack
    return of_another, bool(of_another)


def most_first(groups: Iterable[LiveGroup]) -> tuple[LiveGroup, ...]:
    """Return groups with the largest first, and groups of equal size by creation site and function."""
    return tuple(sorted(groups, key=_order))


def _order(group: LiveGroup) -> tuple[object, ...]:
    return -group.count, group.kind, group.site.function, group.site.line, group.site.runs
