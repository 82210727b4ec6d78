"""Where reports go: a short span with links, a log record in the creator's trace, or both.

What is dropped is counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, Literal

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Tracer

from opentelemetry import trace

from .attributes import COUNT, STACK_ATTRIBUTES, Attributes

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

Mode = Literal["auto", "span", "log", "none"]
DropReason = Literal["sampler", "limit", "no_sink", "error"]
DROP_REASONS: Final[tuple[DropReason, ...]] = ("sampler", "limit", "no_sink", "error")


class Sinks:
    """Sends reports by the configured mode.

    Args:
        tracer: For spans.
        logger: For log records.
        mode: ``auto`` is both where both providers exist, else the one there is.
        on_drop: Called with the reason of each report, or half of one, that did not get out.
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

    @property
    def is_off(self) -> bool:
        """Whether reports are switched off."""
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
        """Send one report. Never raises.

        Args:
            name: The event's name.
            attributes: What it says.
            severity: Of the log record.
            links: Creators' span contexts, the representative's first.
            recording_span: The creator's span if it still records; it gets the event too, without stacks.
            is_report: Whether it is missed where it does not get out.
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
        span = self._tracer.start_span(
            name,
            context=Context(),
            kind=SpanKind.INTERNAL,
            links=[Link(context) for context in links],
        )
        if not span.is_recording():
            # A span with a valid context was made by a real provider and dropped by its sampler.
            return "sampler" if span.get_span_context().is_valid else "no_sink"
        span.add_event(name, attributes)
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
            body=str(attributes.get("python.leak.reason", name)),
            attributes=attributes,
            event_name=name,
        )
        return None

    def _guarded(self, send: Callable[..., DropReason | None], *args: Any) -> DropReason | None:
        try:
            return send(*args)
        except Exception:  # noqa: BLE001 (a provider may do anything; said once, with the traceback)
            self._warn_once("error", "A report could not be sent; later failures are only counted.", failed=True)
            return "error"

    def _say_there_is_no_sink(self, name: str, attributes: Attributes) -> None:
        self._warn_once(
            "no_sink",
            "There is no OpenTelemetry tracer or logger provider, so leak reports go nowhere; later ones are only "
            "counted. Configure the SDK, or set OTEL_PYTHON_CONCURRENCY_REPORTS=none. The first one: "
            f"{name} at {attributes.get('code.function.name')} "
            f"({attributes.get('code.file.path')}:{attributes.get('code.line.number')}), "
            f"count {attributes.get(COUNT)}: {attributes.get('python.leak.reason')}",
        )

    def _warn_once(self, key: str, message: str, *, failed: bool = False) -> None:
        if key not in self._warned:
            self._warned.add(key)
            _logger.warning(message, exc_info=failed)


def _add_to_creator(span: Any, name: str, attributes: Attributes) -> None:
    if span.is_recording():
        span.add_event(name, {key: value for key, value in attributes.items() if key not in STACK_ATTRIBUTES})
