"""How the creator of a task or thread has ended, with the evidence."""

from __future__ import annotations

import threading
from typing import Any
from weakref import ReferenceType

from ...census.loops import LoopRegistry
from ...record.creator import CreatorSpan
from ...record.jobs import CallReference, JobReference
from ..introspection.fields import is_alive, is_done_concurrent, loop_of
from ..introspection.known_waits import is_future, is_pending, is_task
from .owners import linked_concurrent_future


def creator_ended(creator: ReferenceType[Any] | None, creator_span: CreatorSpan | None) -> str | None:
    """Return the evidence that the creator has ended, as a clause, or None.

    Args:
        creator: The creating task; if no task was running, the job of a worker thread, or the thread.
        creator_span: The span that was current at the creation.
    """
    if creator_span is not None and creator_span.entry_ended():
        return f"the request {creator_span.name!r} that started it has ended"
    if creator is None:
        return None
    found = creator()
    if found is None:
        by_job = issubclass(type(creator), JobReference)
        return "the job that started it has ended" if by_job else "what started it has ended"
    if issubclass(type(found), threading.Thread):
        return None if is_alive(found) else "the thread that started it has ended"
    if is_task(found):
        return None if is_pending(found) else "the task that started it has ended"
    is_done = not is_pending(found) if is_future(found) else is_done_concurrent(found)
    return "the job that started it has ended" if is_done else None


def outlived_a_call(creator: ReferenceType[Any] | None, creator_span: CreatorSpan | None) -> bool:
    """Return whether the only creator known to have ended is a call that was handed to a thread.

    ``await to_thread(observer.start)`` ends at once, while the operation that requested it continues. Therefore up to
    ``RESIDENT_LIMIT`` live threads of a site may outlive such calls.
    """
    return type(creator) is CallReference and not (creator_span is not None and creator_span.entry_ended())


def outlived_a_task(creator: ReferenceType[Any] | None, creator_span: CreatorSpan | None) -> bool:
    """Return whether the task or request that started something has ended, rather than only a call or job."""
    if creator_span is not None and creator_span.entry_ended():
        return True
    if creator is None or issubclass(type(creator), JobReference):
        return False
    found = creator()
    return found is None or (is_task(found) and not is_pending(found))


def loop_ended(
    task: Any, creator: ReferenceType[Any] | None, loops: LoopRegistry, now: float, age: float
) -> str | None:
    """Return the evidence that a task without a creating task is orphaned, as a clause, or None.

    Args:
        task: The task.
        creator: Its creator; the result is None if that is a task.
        loops: The event loops of this process.
        now: Seconds of the age clock.
        age: Seconds without running after which a loop counts as stopped.
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
