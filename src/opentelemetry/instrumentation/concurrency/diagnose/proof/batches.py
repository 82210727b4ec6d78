"""Batches of suspended tasks that are examined at the same instant.

Related tasks belong to the same batch: those where one reaches the object that another waits for. As long as few
objects are reached, all of them are part of the batch. Above the limit, a collection of many tasks (the set of a task
group, ``background_tasks``) no longer joins its tasks: code that holds a task can cancel it but not wake it.

A batch that lacks a task can only lose proofs, because objects held by that task count as held by something that runs.
Tasks of such a batch that are not found stuck are therefore undecided rather than wakeable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .closure import MAX_OBJECTS, Closure, Cut, Pace

_LEARNING: Final = 3
"""Tasks examined alone although they reach too much, in order to learn which objects are live and need no rereading."""


class Batches:
    """Yields all tasks in lists, in order, each with its related tasks.

    Args:
        tasks: Suspended tasks, referenced by the caller in this list only.
        cut: The objects at which the walk stops.
        pace: Receives the amount of work.

    Attributes:
        splits: Whether collections of many tasks no longer join them.
        left_out: Addresses of the tasks that reach too many objects to be decided.
    """

    def __init__(self, tasks: list[Any], cut: Cut, pace: Pace) -> None:
        self._left = {id(task): task for task in tasks}
        self._cut = cut
        self._pace = pace
        self.splits = False
        self._alone = 0
        self._batch: list[Any] = []
        self.left_out: set[int] = set()

    @property
    def not_reached(self) -> set[int]:
        """Addresses of the tasks that were in no list so far, or are in the current one."""
        return self._left.keys() | set(map(id, self._batch))

    @property
    def reason(self) -> str:
        """Human-readable reason for omitted tasks; empty if there are none."""
        count = len(self.left_out)
        if not count:
            return ""
        return f"{count} {'task reaches' if count == 1 else 'tasks reach'} more than {MAX_OBJECTS} objects together"

    def __iter__(self) -> Iterator[list[Any]]:
        closure: Closure | None = None
        while self._left:
            if closure is None:
                closure = Closure(self._cut, self._pace, may_join=self._left, splits=self.splits)
            together = self._reached_with_first(closure)
            if closure.has_room or (closure.is_whole and not self._batch):
                self._take(together)
                continue
            # No reference of this generator may be counted. Tasks that did not fit return in a later batch.
            closure = None
            if self._batch:
                together.clear()
            elif not self.splits:
                self.splits = True
                continue
            elif self._alone < _LEARNING:
                self._alone += 1
                self._take(together[:1])
                together.clear()
            else:
                self.left_out.update(map(id, together))
                self._take(together)
                self._batch = []
                continue
            yield self._batch
            self._batch = []
        closure = None
        if self._batch:
            yield self._batch
            self._batch = []

    def _reached_with_first(self, closure: Closure) -> list[Any]:
        task = next(iter(self._left.values()))
        known = len(closure.objects)
        closure.add([task])
        return [task, *(item for item in closure.objects[known:] if id(item) in self._left and item is not task)]

    def _take(self, tasks: list[Any]) -> None:
        self._batch += tasks
        while tasks:
            del self._left[id(tasks.pop())]
