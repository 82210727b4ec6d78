"""Limits of the SDK on attributes, events and links, applied beforehand.

The SDK cuts a long value at its end, where the innermost frames of a stack are. Of too many attributes and links it
drops the oldest, which are the most important ones. Reports are therefore made to fit: stacks keep their innermost
frames, every cut is marked, and the reason states how many attributes and links were omitted.

The effective limits are read from the tracer or logger, which takes them from its provider; otherwise from the
environment variables of the specification.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Final

from ..record.internals.of_opentelemetry import LOGGER_LIMITS, REAL, SPAN_LIMITS, TRACER_LIMITS
from .attributes import (
    CODE_FILE_PATH,
    CODE_FUNCTION_NAME,
    CODE_LINE_NUMBER,
    CODE_STACKTRACE,
    COUNT,
    CREATION_SAMPLED,
    CREATION_STACKTRACE,
    FINGERPRINT,
    OTEL_EVENT_NAME,
    REASON,
    REPORT_ID,
    SPAWNED_VIA,
    TASK_COROUTINE,
    THREAD_TARGET,
    VERDICT,
    WAITING_AT,
    Attributes,
)

_IMPORTANT: Final[tuple[str, ...]] = (
    REASON,
    CODE_FUNCTION_NAME,
    CODE_FILE_PATH,
    CODE_LINE_NUMBER,
    VERDICT,
    COUNT,
    CODE_STACKTRACE,
    TASK_COROUTINE,
    THREAD_TARGET,
    WAITING_AT,
    FINGERPRINT,
    REPORT_ID,
    OTEL_EVENT_NAME,
    CREATION_STACKTRACE,
    CREATION_SAMPLED,
    SPAWNED_VIA,
)
"""Attributes in the order in which they are kept."""
_STACKS: Final = (CODE_STACKTRACE, CREATION_STACKTRACE)
_ANY_LENGTH: Final = "ATTRIBUTE_VALUE_LENGTH"
_ANY_COUNT: Final = "ATTRIBUTE_COUNT"
_FRAME: Final = '  File "'
_CUT_BEFORE: Final = re.compile(r"  \.\.\. (\d+) outer frames? cut")
_CUT: Final = "…"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one set of attributes; None for no limit.

    Attributes:
        length: Maximum number of characters of a text.
        count: Maximum number of attributes.
    """

    length: int | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class SpanLimits:
    """Limits of a span; None for no limit.

    Attributes:
        span: Limits of the attributes of the span.
        event: Limits of the attributes of one event.
        events: Maximum number of events.
        links: Maximum number of links.
    """

    span: Limits = Limits()
    event: Limits = Limits()
    events: int | None = None
    links: int | None = None


def limits_of_tracer(tracer: Any) -> SpanLimits:
    """Return the limits of the spans that a tracer creates."""
    return _span_limits(_found(tracer, TRACER_LIMITS))


def limits_of_span(span: Any) -> SpanLimits:
    """Return the limits of a recording span."""
    return _span_limits(getattr(span, SPAN_LIMITS, None))


def limits_of_logger(logger: Any) -> Limits:
    """Return the limits of the records that a logger emits."""
    found = _found(logger, LOGGER_LIMITS)
    return Limits(
        _value(found, "max_log_record_attribute_length", "LOGRECORD_ATTRIBUTE_VALUE_LENGTH", _ANY_LENGTH),
        _value(found, "max_log_record_attributes", "LOGRECORD_ATTRIBUTE_COUNT", _ANY_COUNT),
    )


def fit(attributes: Attributes, limits: Limits, *, links_left_out: int = 0) -> Attributes:
    """Return the attributes of a report within the limits; the reason states what was omitted.

    Args:
        attributes: All attributes; not modified.
        limits: The effective limits.
        links_left_out: Number of omitted links of the same report.
    """
    kept = _most_important(attributes, limits.count)
    notes = []
    if len(kept) < len(attributes):
        notes.append(f"{len(attributes) - len(kept)} attributes left out (limit {limits.count})")
    if links_left_out:
        notes.append(f"{links_left_out} links left out")
    if limits.length is not None:
        kept = {name: _cut_value(name, value, limits.length) for name, value in kept.items()}
    if notes and isinstance(kept.get(REASON), str):
        note = f" [{', '.join(notes)}]"
        reason = str(attributes[REASON])
        room = len(reason) if limits.length is None else max(0, limits.length - len(note))
        kept[REASON] = (_cut_text(reason, room) + note)[: limits.length]
    return kept


def _most_important(attributes: Attributes, count: int | None) -> Attributes:
    # Without a reason, or at a limit of zero, the omission cannot be stated: the SDK drops and counts it.
    if count is None or count == 0 or len(attributes) <= count or REASON not in attributes:
        return dict(attributes)
    names = [name for name in _IMPORTANT if name in attributes]
    names += [name for name in attributes if name not in _IMPORTANT]
    wanted = set(names[:count])
    return {name: value for name, value in attributes.items() if name in wanted}


def _cut_value(name: str, value: Any, length: int) -> Any:
    if isinstance(value, str):
        return _cut_stack(value, length) if name in _STACKS else _cut_text(value, length)
    if isinstance(value, tuple):
        return tuple(_cut_text(each, length) if isinstance(each, str) else each for each in value)
    return value


def _cut_text(text: str, length: int) -> str:
    """Return the start of a text, with a mark if it was cut."""
    if len(text) <= length:
        return text
    return text[: length - len(_CUT)] + _CUT if length > len(_CUT) else text[:length]


def _cut_stack(text: str, length: int) -> str:
    """Return the innermost frames of a stack text, with a mark; for a single long frame its end, with the name."""
    if len(text) <= length:
        return text
    entries = re.split(rf"\n(?={re.escape(_FRAME)})", text)
    cut_before = _CUT_BEFORE.match(entries[0])
    gone = int(cut_before[1]) if cut_before else 0
    if cut_before:
        del entries[0]
    kept: list[str] = []
    for index in range(len(entries) - 1, 0, -1):
        left_out = index + gone
        mark = f"  ... {left_out} outer frame{'s' if left_out > 1 else ''} cut"
        made = "\n".join((mark, *entries[index:]))
        if len(made) > length:
            break
        kept = [made]
    if kept:
        return kept[0]
    return _CUT + text[len(_CUT) - length :] if length > len(_CUT) else text[len(text) - length :]


def _span_limits(found: Any) -> SpanLimits:
    return SpanLimits(
        Limits(
            _value(found, "max_span_attribute_length", "SPAN_ATTRIBUTE_VALUE_LENGTH", _ANY_LENGTH),
            _value(found, "max_span_attributes", "SPAN_ATTRIBUTE_COUNT", _ANY_COUNT),
        ),
        Limits(
            _value(found, "max_attribute_length", _ANY_LENGTH),
            _value(found, "max_event_attributes", "EVENT_ATTRIBUTE_COUNT", _ANY_COUNT),
        ),
        _value(found, "max_events", "SPAN_EVENT_COUNT"),
        _value(found, "max_links", "SPAN_LINK_COUNT"),
    )


def _found(maker: Any, name: str) -> Any:
    """Return the limits stored under a name in a tracer or logger, or in the one behind a proxy; None if missing."""
    for each in (maker, *(getattr(maker, real, None) for real in REAL)):
        found = getattr(each, name, None)
        if found is not None:
            return found
    return None


def _value(found: Any, name: str, *variables: str) -> int | None:
    if found is not None and hasattr(found, name):
        value = getattr(found, name)
        return value if isinstance(value, int) and value >= 0 else None
    for variable in variables:
        text = os.environ.get(f"OTEL_{variable}_LIMIT", "").strip()
        if text.isascii() and text.isdigit():
            return int(text)
    return None
