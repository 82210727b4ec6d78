"""Sinks of reports: spans, log records, or both.

A report is a short span with links, or a log record in the trace of the creator.

Dropped reports are counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Literal

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Tracer

from opentelemetry import trace

from ..own_log import own_logger
from ..sanitize import sanitize
from .attributes import COUNT, OTEL_EVENT_NAME, SPAN_ATTRIBUTES, STACK_ATTRIBUTES, Attributes
from .sdk_limits import fit, limits_of_logger, limits_of_span, limits_of_tracer

_logger = own_logger()

Mode = Literal["auto", "span", "log", "none"]
DropReason = Literal["sampler", "limit", "no_sink", "error"]
DROP_REASONS: Final[tuple[DropReason, ...]] = ("sampler", "limit", "no_sink", "error")


class Sinks:
    """Sends reports in the configured mode.

    Attributes:
        newest_report_at: When a provider last accepted a report, in seconds of the monotonic clock; None before.

    Args:
        tracer: The tracer for spans.
        logger: The logger for log records.
        mode: ``auto`` uses both providers if both exist, otherwise the existing one.
        on_drop: Called with the reason for each report, or half of one, that was not sent.
    """

    def __init__(
        self,
        tracer: Tracer | None,
        logger: Logger | None,
        mode: Mode,
        on_drop: Callable[[DropReason], None],
    ) -> None:
        self._tracer = tracer
        self._otel_logger = logger
        self._mode = mode
        self._on_drop = on_drop
        self._warned: set[str] = set()
        self.newest_report_at: float | None = None

    @property
    def is_off(self) -> bool:
        """Whether reports are disabled."""
        return self._mode == "none"

    def send(
        self,
        name: str,
        attributes: Attributes,
        *,
        severity: SeverityNumber,
        links: tuple[SpanContext, ...] = (),
        recording_span: Any = None,
        is_report: bool = True,
    ) -> None:
        """Send a report. Never raises.

        Args:
            name: The event name.
            attributes: The attributes.
            severity: The severity of the log record.
            links: Creators' span contexts, the representative's first.
            recording_span: The creator's span if it still records; it receives the event as well, without stacks.
            is_report: Whether the report counts as dropped if it is not sent.
        """
        if self._mode == "none":
            return
        outcomes = []
        if self._mode in ("auto", "span"):
            outcomes.append(self._guarded(self._send_span, name, attributes, severity, links))
        if self._mode in ("auto", "log"):
            outcomes.append(self._guarded(self._send_log, name, attributes, severity, links))
        if recording_span is not None:
            self._guarded(_add_to_creator, recording_span, name, attributes)
        if any(outcome is None for outcome in outcomes):
            self.newest_report_at = time.monotonic()
        for outcome in outcomes if is_report else ():
            if outcome in ("sampler", "error"):
                self._on_drop(outcome)
        if is_report and all(outcome == "no_sink" for outcome in outcomes):
            self._on_drop("no_sink")
            self._say_there_is_no_sink(name, attributes)

    def _send_span(
        self, name: str, attributes: Attributes, _severity: SeverityNumber, links: tuple[SpanContext, ...]
    ) -> DropReason | None:
        if self._tracer is None:
            return "no_sink"
        limits = limits_of_tracer(self._tracer)
        # The SDK would drop the first links, which include the representative's.
        kept_links = links if limits.links is None else links[: limits.links]
        left_out = len(links) - len(kept_links)
        # If a span cannot have events, it carries all attributes itself.
        has_event = limits.events != 0
        own: Attributes = {key: value for key, value in attributes.items() if key in SPAN_ATTRIBUTES or not has_event}
        span = self._tracer.start_span(
            name,
            context=Context(),
            kind=SpanKind.INTERNAL,
            links=[Link(context) for context in kept_links],
            attributes=fit(own, limits.span, links_left_out=left_out),
        )
        if not span.is_recording():
            # A span with a valid context was created by a real provider and dropped by its sampler.
            return "sampler" if span.get_span_context().is_valid else "no_sink"
        if has_event:
            span.add_event(name, fit(attributes, limits.event, links_left_out=left_out))
        span.end()
        return None

    def _send_log(
        self, name: str, attributes: Attributes, severity: SeverityNumber, links: tuple[SpanContext, ...]
    ) -> DropReason | None:
        if self._otel_logger is None:
            return "no_sink"
        context = trace.set_span_in_context(NonRecordingSpan(links[0]), Context()) if links else Context()
        if not self._otel_logger.enabled(context=context, severity_number=severity, event_name=name):
            return "no_sink"
        self._otel_logger.emit(
            timestamp=time.time_ns(),
            context=context,
            severity_number=severity,
            severity_text=severity.name,
            body=sanitize(attributes.get("python.leak.reason", name)),
            # Also set as an attribute, for backends and pipelines that do not keep the field.
            attributes=fit({**attributes, OTEL_EVENT_NAME: name}, limits_of_logger(self._otel_logger)),
            event_name=name,
        )
        return None

    def _guarded(self, send: Callable[..., DropReason | None], *args: Any) -> DropReason | None:
        try:
            return send(*args)
        except Exception:  # noqa: BLE001 (a provider may raise anything; logged once, with the traceback)
            self._warn_once("error", "A report could not be sent; later failures are only counted.", failed=True)
            return "error"

    def _say_there_is_no_sink(self, name: str, attributes: Attributes) -> None:
        self._warn_once(
            "no_sink",
            "There is no OpenTelemetry tracer or logger provider, so leak reports are dropped; later ones are only "
            "counted. Configure the SDK, or set OTEL_PYTHON_CONCURRENCY_REPORTS=none. The first report: "
            f"{name} at {attributes.get('code.function.name')} "
            f"({attributes.get('code.file.path')}:{attributes.get('code.line.number')}), "
            f"count {attributes.get(COUNT)}: {attributes.get('python.leak.reason')}",
        )

    def _warn_once(self, key: str, message: str, *, failed: bool = False) -> None:
        if key not in self._warned:
            self._warned.add(key)
            _logger.warning(message, exc_info=failed)


def _add_to_creator(span: Any, name: str, attributes: Attributes) -> None:
    if not span.is_recording():
        return
    limits = limits_of_span(span)
    if limits.events is not None and len(getattr(span, "events", ())) >= limits.events:
        # The SDK would drop an event of the application to make room; the report has its own span and record.
        return
    without_stacks = {key: value for key, value in attributes.items() if key not in STACK_ATTRIBUTES}
    span.add_event(name, fit(without_stacks, limits.event))
