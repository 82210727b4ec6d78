"""Batches of suspended tasks that are examined at the same instant.

Related tasks belong to the same batch: those where one reaches the object that another waits for. As long as few
objects are reached, all of them are part of the batch. Above the limit, a collection of many tasks (the set of a task
group, ``background_tasks``) no longer joins its tasks: code that holds a task can cancel it but not wake it.

A batch that lacks a task can only lose proofs, because objects held by that task count as held by something that runs.
Tasks of such a batch that are not found stuck are therefore undecided rather than wakeable.

Tasks usually reach so much because they reach the service: its application object, and everything that this refers to.
Above the limit, small closures of the first tasks therefore come before all else: they show cheaply where the service
begins, and every later closure stops there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from .closure import MAX_OBJECTS, MOST_TASKS_THAT_JOIN, Closure, Cut, Pace

_LEARNING: Final = 3
"""Tasks examined alone although they reach too much, in order to learn which objects are live and need no rereading."""
_LESSONS: Final = 24
"""Number of tasks of which a small closure is read first; enough for a few tasks of each of several lines."""
_LESSON_SHARE: Final = 25
"""A small closure has this fraction of the objects of a usual one, so that all of them cost about as much as one."""


class Batches:
    """Yields all tasks in lists, in order, each with its related tasks.

    Args:
        tasks: Suspended tasks, referenced by the caller in this list only.
        cut: The objects at which the walk stops.
        pace: Receives the amount of work.

    Attributes:
        splits: Whether collections of many tasks no longer join them.
        left_out: Addresses of the tasks that reach too many objects to be decided.
        limit: Maximum number of objects to read of the current list.
        is_lesson: Whether the current list is read only in order to learn which objects are live.
    """

    def __init__(self, tasks: list[Any], cut: Cut, pace: Pace) -> None:
        self._left = {id(task): task for task in tasks}
        self._cut = cut
        self._pace = pace
        self.splits = False
        self._alone = 0
        self._batch: list[Any] = []
        self.left_out: set[int] = set()
        self.limit = self._usual_limit = Closure(cut, pace).limit
        self.is_lesson = False

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
                yield from self._lessons()
                continue
            elif self._alone < _LEARNING:
                self._alone += 1
                yield from self._lesson(together)
                continue
            else:
                # A few related tasks are tried one by one: most of the objects may be those of the first alone.
                if len(together) <= MOST_TASKS_THAT_JOIN:
                    del together[1:]
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

    def _lessons(self) -> Iterator[list[Any]]:
        """Yield the first tasks that reach more than a small closure has room for; they are examined later.

        Not those that are related to many others: their objects may be held by a task for which there was no room.
        """
        self.limit = max(1, self._usual_limit // _LESSON_SHARE)
        for address in list(islice(self._left, _LESSONS)):
            if address not in self._left:
                continue
            together, is_lesson = self._small_closure_of(self._left[address])
            if is_lesson:
                yield from self._lesson(together)
        self.limit = self._usual_limit

    def _small_closure_of(self, task: Any) -> tuple[list[Any], bool]:
        """Return a task and those related to it, and whether they are few and reach more than there is room for."""
        closure = Closure(self._cut, self._pace, limit=self.limit, may_join=self._left, splits=True)
        together = self._reached_with(task, closure)
        return together, not closure.is_whole and len(together) <= MOST_TASKS_THAT_JOIN

    def _lesson(self, together: list[Any]) -> Iterator[list[Any]]:
        self._take(together)
        self.is_lesson = True
        yield self._batch
        self.is_lesson = False
        self._left.update((id(task), task) for task in self._batch)
        self._batch = []

    def _reached_with_first(self, closure: Closure) -> list[Any]:
        return self._reached_with(next(iter(self._left.values())), closure)

    def _reached_with(self, task: Any, closure: Closure) -> list[Any]:
        known = len(closure.objects)
        closure.add([task])
        return [task, *(item for item in closure.objects[known:] if id(item) in self._left and item is not task)]

    def _take(self, tasks: list[Any]) -> None:
        self._batch += tasks
        while tasks:
            del self._left[id(tasks.pop())]
