"""Names and values of report attributes, for span events and log records."""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from ..diagnose.introspection.fingerprint import NamedFrame
from ..diagnose.verdict.finding import Finding
from ..diagnose.verdict.impact import Impact
from ..record.naming import CodeLine, relative_path
from ..record.site import Kind
from .stack_text import stack_text

TASK_ORPHANED: Final = "python.asyncio.task.orphaned"
THREAD_ORPHANED: Final = "python.thread.orphaned"
SUSPECTED: Final = "python.leak.suspected"
TASK_DESTROYED: Final = "python.asyncio.task.destroyed"
LOOP_BLOCKED: Final = "python.asyncio.eventloop.blocked"
RESOLVED: Final = "python.leak.resolved"
CONTROL: Final = "python.concurrency.control"

EVENTS: Final = (TASK_ORPHANED, THREAD_ORPHANED, SUSPECTED, TASK_DESTROYED, LOOP_BLOCKED, RESOLVED, CONTROL)

CODE_FUNCTION_NAME: Final = "code.function.name"
CODE_FILE_PATH: Final = "code.file.path"
CODE_LINE_NUMBER: Final = "code.line.number"
CODE_STACKTRACE: Final = "code.stacktrace"
WAITING_AT: Final = "python.leak.waiting_at"
CREATION_STACKTRACE: Final = "python.leak.creation_stacktrace"
CREATION_SAMPLED: Final = "python.leak.creation_stacktrace_sampled"
SPAWNED_VIA: Final = "python.leak.spawned_via"
CREATOR_SPAN_NAME: Final = "python.leak.creator.span_name"
VERDICT: Final = "python.leak.verdict"
REASON: Final = "python.leak.reason"
COUNT: Final = "python.leak.count"
FINGERPRINT: Final = "python.leak.fingerprint"
MEMORY_USAGE: Final = "python.leak.memory.usage"
MEMORY_NOTE: Final = "python.leak.memory.note"
CANCEL_REQUESTS: Final = "python.leak.cancel_requests"
HELD_BY: Final = "python.leak.held_by"
WAITS_ON: Final = "python.leak.waits_on"
ADVICE: Final = "python.leak.advice"
REPORT_ID: Final = "python.leak.report.id"
TASK_NAME: Final = "python.asyncio.task.name"
TASK_COROUTINE: Final = "python.asyncio.task.coroutine"
TASK_AGE: Final = "python.asyncio.task.age"
TASK_WAIT_REASON: Final = "python.asyncio.task.wait_reason"
BLOCKED_FOR: Final = "python.asyncio.eventloop.blocked_for"
CONTROL_ACTION: Final = "python.concurrency.control.action"
CONTROL_FILTER: Final = "python.concurrency.control.filter"
CONTROL_COUNT: Final = "python.concurrency.control.count"
CONTROL_PEER_UID: Final = "python.concurrency.control.peer.uid"
CONTROL_PEER_PID: Final = "python.concurrency.control.peer.pid"
THREAD_NAME: Final = "thread.name"
THREAD_ID: Final = "thread.id"
THREAD_AGE: Final = "python.thread.age"
THREAD_DAEMON: Final = "python.thread.daemon"
THREAD_TARGET: Final = "python.thread.target"
OTEL_EVENT_NAME: Final = "otel.event.name"

RUNS_ATTRIBUTES: Final[dict[Kind, str]] = {"task": TASK_COROUTINE, "thread": THREAD_TARGET}
"""Attributes for the function that a site runs, by kind."""

STACK_ATTRIBUTES: Final = (CODE_STACKTRACE, CREATION_STACKTRACE, CREATION_SAMPLED)

SPAN_ATTRIBUTES: Final = (
    CODE_FUNCTION_NAME,
    CODE_FILE_PATH,
    CODE_LINE_NUMBER,
    TASK_COROUTINE,
    THREAD_TARGET,
    VERDICT,
    COUNT,
    FINGERPRINT,
    REASON,
)
"""Attributes of the short span of a report, for backends that search spans but not their events."""

Attributes = dict[str, AttributeValue]


def event_name(finding: Finding) -> str:
    """Return the event name for a finding."""
    if finding.verdict == "growing":
        return SUSPECTED
    if finding.verdict == "destroyed":
        return TASK_DESTROYED
    return TASK_ORPHANED if finding.kind == "task" else THREAD_ORPHANED


def report_attributes(
    finding: Finding, report_id: str, *, stack_text_limit: int, with_source: bool, with_names: bool
) -> Attributes:
    """Return the attributes of a report.

    Args:
        finding: The finding.
        report_id: The identifier shared by span event and log record.
        stack_text_limit: Maximum number of bytes of each stack text.
        with_source: Whether stacks include source lines.
        with_names: Whether to include task and thread names.
    """
    attributes: Attributes = {
        **site_attributes(finding),
        VERDICT: finding.verdict,
        REASON: finding.reason,
        COUNT: finding.count,
        FINGERPRINT: finding.fingerprint,
        REPORT_ID: report_id,
    }
    stack = stack_text(finding.observation.chain, limit_bytes=stack_text_limit, with_source=with_source)
    if finding.observation.chain_note:
        stack = f"{stack}\n  ({finding.observation.chain_note})".lstrip("\n")
    if stack:
        attributes[CODE_STACKTRACE] = stack
    if finding.waiting_at is not None:
        attributes[WAITING_AT] = frame_attribute(finding.waiting_at)
    if finding.creation:
        attributes[CREATION_STACKTRACE] = stack_text(
            finding.creation, limit_bytes=stack_text_limit, with_source=with_source
        )
        attributes[CREATION_SAMPLED] = finding.creation_sampled
    if finding.creator_span_name:
        attributes[CREATOR_SPAN_NAME] = finding.creator_span_name
    attributes.update(_impact(finding.impact))
    attributes.update(_representative(finding, with_names=with_names))
    return attributes


def frame_attribute(frame: NamedFrame | CodeLine) -> str:
    """Return a frame as ``shop.search.ask (shop/search.py:24)``."""
    return f"{frame.function} ({relative_path(frame.path)}:{frame.line})"


def site_attributes(finding: Finding) -> Attributes:
    """Return the creation site of a finding: creating line with an absolute path, function and spawners."""
    attributes: Attributes = {CODE_FUNCTION_NAME: finding.function}
    if finding.path:
        attributes[CODE_FILE_PATH] = finding.path
        attributes[CODE_LINE_NUMBER] = finding.line
    if finding.runs:
        attributes[RUNS_ATTRIBUTES[finding.kind]] = finding.runs
    if finding.via:
        attributes[SPAWNED_VIA] = tuple(map(frame_attribute, finding.via))
    return attributes


def _impact(impact: Impact) -> Attributes:
    attributes: Attributes = {}
    if impact.memory is not None:
        attributes[MEMORY_USAGE] = impact.memory.bytes
        if impact.memory.note:
            attributes[MEMORY_NOTE] = impact.memory.note
    texts = {HELD_BY: impact.held_by, WAITS_ON: impact.waits_on, ADVICE: impact.advice}
    attributes.update((name, text) for name, text in texts.items() if text)
    return attributes


def _representative(finding: Finding, *, with_names: bool) -> Attributes:
    observation = finding.observation
    if finding.kind == "thread":
        attributes: Attributes = {
            THREAD_ID: observation.thread_id,
            THREAD_AGE: finding.age_s,
            THREAD_DAEMON: observation.is_daemon,
        }
        if with_names:
            attributes[THREAD_NAME] = observation.name
        return attributes
    attributes = {TASK_AGE: finding.age_s, TASK_WAIT_REASON: observation.wait_reason}
    if observation.cancel_requests:
        attributes[CANCEL_REQUESTS] = observation.cancel_requests
    if observation.coroutine and not finding.runs:
        attributes[TASK_COROUTINE] = observation.coroutine
    if with_names:
        attributes[TASK_NAME] = observation.name
    return attributes
