"""Whether what created a task or thread has ended, and how we know."""

from __future__ import annotations

import threading
from typing import Any
from weakref import ReferenceType

from ..census.loops import LoopBook
from ..record.creator import CreatorSpan
from .fields import is_alive, is_done_concurrent, loop_of
from .known_waits import is_pending
from .ownership import linked_concurrent_future


def creator_ended(creator: ReferenceType[Any] | None, creator_span: CreatorSpan | None) -> str | None:
    """Return how the creator is known to have ended, as a clause for people, or None.

    Args:
        creator: The creating task, or the creating thread where no task ran.
        creator_span: The span that was current at the creation.
    """
    if creator_span is not None and creator_span.entry_ended():
        return f"the request {creator_span.name!r} that started it has ended"
    if creator is None:
        return None
    found = creator()
    if found is None:
        return "what started it has ended"
    if issubclass(type(found), threading.Thread):
        return None if is_alive(found) else "the thread that started it has ended"
    return "the task that started it has ended" if not is_pending(found) else None


def loop_ended(task: Any, creator: ReferenceType[Any] | None, loops: LoopBook, now: float, age: float) -> str | None:
    """Return why a task that no task created is left over, as a clause for people, or None.

    Args:
        task: The task.
        creator: Its creator; the question is asked only of tasks created outside any task.
        loops: The loops of this process.
        now: Seconds of the age clock.
        age: Seconds a loop must not have run.
    """
    found = creator() if creator is not None else None
    if found is not None and not issubclass(type(found), threading.Thread):
        return None
    ended = loops.ended(loop_of(task), now, age)
    if ended is None:
        linked = linked_concurrent_future(task)
        if is_done_concurrent(linked):
            return "the future that run_coroutine_threadsafe returned for it is done"
    return ended
