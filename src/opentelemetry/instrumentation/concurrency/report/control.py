"""What a report says about somebody who controls the process from outside."""

from __future__ import annotations

from .attributes import (
    CONTROL_ACTION,
    CONTROL_COUNT,
    CONTROL_FILTER,
    CONTROL_PEER_PID,
    CONTROL_PEER_UID,
    Attributes,
)


def control_attributes(action: str, peer_uid: int, peer_pid: int, shown_filter: str, count: int) -> Attributes:
    """Return the attributes of ``python.concurrency.control``.

    Args:
        action: What is done: ``cancel``, ``serve`` or ``attach``.
        peer_uid: User who does it.
        peer_pid: Process that does it; 0 if it can't be seen from here.
        shown_filter: To what, as it was asked for.
        count: To how many.
    """
    return {
        CONTROL_ACTION: action,
        CONTROL_FILTER: shown_filter,
        CONTROL_COUNT: count,
        CONTROL_PEER_UID: peer_uid,
        CONTROL_PEER_PID: peer_pid,
    }
