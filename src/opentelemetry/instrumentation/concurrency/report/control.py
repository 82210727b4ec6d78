"""Reports on control actions from outside the process."""

from __future__ import annotations

from typing import Final

from opentelemetry._logs import SeverityNumber

from ..own_log import own_logger
from ..sanitize import sanitize
from .attributes import (
    CONTROL,
    CONTROL_ACTION,
    CONTROL_COUNT,
    CONTROL_FILTER,
    CONTROL_PEER_PID,
    CONTROL_PEER_UID,
    Attributes,
)
from .sinks import Sinks

_logger = own_logger()

_FILTER_LIMIT: Final = 500


def control_attributes(action: str, peer_uid: int, peer_pid: int, shown_filter: str, count: int) -> Attributes:
    """Return the attributes of ``python.concurrency.control``.

    Args:
        action: The action: ``cancel``, ``control``, ``serve``, ``attach`` or ``detach``.
        peer_uid: The user who requested it.
        peer_pid: The process that requested it; 0 if it is not visible from this process.
        shown_filter: The filter as requested.
        count: The number of affected tasks.
    """
    return {
        CONTROL_ACTION: action,
        CONTROL_FILTER: sanitize(shown_filter, _FILTER_LIMIT),
        CONTROL_COUNT: count,
        CONTROL_PEER_UID: peer_uid,
        CONTROL_PEER_PID: peer_pid,
    }


def report_control(sinks: Sinks, action: str, peer_uid: int, peer_pid: int, shown_filter: str, count: int) -> None:
    """Log a control action and send it to the sinks; the arguments are those of `control_attributes`."""
    attributes = control_attributes(action, peer_uid, peer_pid, shown_filter, count)
    what = f"{action} ({shown_filter}, {count})" if shown_filter else action
    _logger.warning("otel-concurrency %s, by user %d, process %d.", what, peer_uid, peer_pid)
    sinks.send(CONTROL, attributes, severity=SeverityNumber.INFO, is_report=False)
