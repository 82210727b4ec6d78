"""Jobs that worker threads run: executor calls, queue tasks and messages.

A worker thread runs many jobs and seldom ends. A task or thread has outlived its creator once the job that started it
has ended, so its creator is the job, not the worker. A job is an object that its library drops or marks as done at its
end: the future of an executor's call, the request of a Celery task, the message of a Dramatiq actor. It is found in the
frames of the creation and referenced weakly. taskiq needs no entry: it runs each message in an asyncio task or an
executor.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final, NamedTuple
from weakref import ReferenceType, ref

from .creator import current_creator
from .frame_locals import variables_of
from .internals.of_threading import TARGET, attributes_of_thread
from .raw_fields import attributes_of

_EXECUTOR: Final = "concurrent.futures.thread"
_MAX_FRAMES: Final = 500


class JobReference(ref[Any]):
    """A weak reference to a job as a creator."""

    __slots__ = ()


class CallReference(JobReference):
    """A weak reference to a call that was handed to a thread.

    The call may be a small part of the operation that requested it, so its end is weaker evidence than the end of a
    message or a request.
    """

    __slots__ = ()


class JobFrame(NamedTuple):
    """The frame of a library that encloses each job.

    Attributes:
        module: The module of the frame.
        variable: The variable that holds the job.
        attribute: The attribute of the variable that holds the job; empty if the variable does.
        reference: The kind of reference to it.
    """

    module: str
    variable: str
    attribute: str = ""
    reference: type[JobReference] = JobReference


JOB_FRAMES: Final = {
    "run": (
        JobFrame(_EXECUTOR, "self", "future", reference=CallReference),
        JobFrame("anyio._backends._asyncio", "future", reference=CallReference),
    ),
    "process_message": (JobFrame("dramatiq.worker", "message"),),
    "trace_task": (JobFrame("celery.app.trace", "task_request"),),
}
"""Job frames by the name of their function."""
_WORKER_TYPES: Final = frozenset({"anyio._backends._asyncio", "dramatiq.worker"})
_ANY_THREAD: Final = "celery.app.trace"
"""Module whose jobs may run in any thread, the one in which the worker was started."""


def creator_outside_loops(frame: FrameType) -> ReferenceType[Any] | None:
    """Return a weak reference to the running task, else to the job around ``frame``, else to the running thread.

    Cost: half a microsecond; in a worker thread 50 ns more per frame, and 5 µs for the job.
    """
    creator = current_creator()
    thread = None if creator is None else creator()
    if not issubclass(type(thread), threading.Thread) or not _may_run_jobs(thread):
        return creator
    return _job_around(frame) or creator


def executor_call_in(frame: FrameType) -> Any | None:
    """Return the work item that an executor's worker runs, given the worker's innermost frame; None if it is idle.

    The frame may belong to another thread if that thread cannot run meanwhile.
    """
    for current in _frames_outwards(frame):
        if current.f_code.co_name == "run" and current.f_globals.get("__name__") == _EXECUTOR:
            item = (variables_of(current) or {}).get("self")
            # Since 3.14, the worker's context, whose method is also named ``run``, lies between work item and call.
            if "future" in attributes_of(item):
                return item
    return None


def _frames_outwards(frame: FrameType) -> Iterator[FrameType]:
    current: FrameType | None = frame
    for _ in range(_MAX_FRAMES):
        if current is None:
            break
        yield current
        current = current.f_back


def _may_run_jobs(thread: Any) -> bool:
    target = attributes_of_thread(thread).get(TARGET)
    if target is not None and getattr(target, "__module__", None) == _EXECUTOR:
        return True
    kind = type(thread)
    return (kind is not threading.Thread and kind.__module__ in _WORKER_TYPES) or _ANY_THREAD in sys.modules


def _job_around(frame: FrameType) -> ReferenceType[Any] | None:
    for current in _frames_outwards(frame):
        for job_frame in JOB_FRAMES.get(current.f_code.co_name, ()):
            if current.f_globals.get("__name__") == job_frame.module:
                job = _job_of(current, job_frame)
                if job is not None:
                    return job
    return None


def _job_of(frame: FrameType, job_frame: JobFrame) -> ReferenceType[Any] | None:
    job = (variables_of(frame) or {}).get(job_frame.variable)
    if job_frame.attribute:
        job = attributes_of(job).get(job_frame.attribute)
    if job is None:
        return None
    try:
        return job_frame.reference(job)
    except TypeError:  # a version of the library whose jobs do not support weak references
        return None
