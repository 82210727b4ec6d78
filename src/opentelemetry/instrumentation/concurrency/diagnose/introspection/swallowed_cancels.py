"""Requests to cancel a task after which it still waits: it, or what it awaits, has swallowed the cancellation.

asyncio counts the requests since 3.11, and takes back those of its own timeouts and task groups. A request that has not
reached the task yet is not counted here: the loop delivers it in its next iteration.
"""

from __future__ import annotations

from typing import Any, Final

from .known_waits import children_of, field, is_gather, is_pending, is_task, known_asyncio, shielded_by, waiter_of

_MOST_AWAITED: Final = 100


def cancel_requests_of(task: object) -> int:
    """Return how often a task was asked to cancel and not taken back; 0 before 3.11 and for other objects."""
    known = known_asyncio()
    if known is None or not is_task(task):
        return 0
    number: Any = None
    if issubclass(type(task), known.py_task):
        number = field(task, "_num_cancels_requested")
    else:
        count = getattr(known.c_task, "cancelling", None)
        number = None if count is None else count(task)
    return number if type(number) is int else 0


def swallowed_cancels(task: object) -> int:
    """Return how often a task was asked to cancel and went on; 0 while a request is still on its way to it."""
    requests = cancel_requests_of(task)
    return requests if requests and _waits_on(task) else 0


def swallowed_text(requests: int) -> str:
    """Return swallowed requests as a clause; empty without any."""
    if not requests:
        return ""
    times = {1: "once", 2: "twice"}.get(requests, f"{requests} times")
    return f"it was asked to cancel {times} and went on"


def _waits_on(task: object) -> bool:
    """Return whether a task, and everything that it awaits, is suspended with no cancellation on its way."""
    pending, seen = [task], 0
    while pending:
        found = pending.pop()
        seen += 1
        if seen > _MOST_AWAITED:
            return False
        if is_task(found):
            waiter = waiter_of(found)
            if waiter is None or field(found, "_must_cancel") or not is_pending(waiter):
                return False
            # Cancelling does not pass a shield.
            if shielded_by(waiter) is None:
                pending.append(waiter)
        elif is_gather(found):
            pending += [child for child in children_of(found) if is_task(child) and is_pending(child)]
    return True
