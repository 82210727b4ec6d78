"""Where reports go by mode, what the creator's span gets, and what is counted as dropped."""

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from opentelemetry.instrumentation.concurrency.report.sinks import Sinks

STACKS = {
    "code.stacktrace": "  File ...",
    "python.leak.creation_stacktrace": "  File ...",
    "python.leak.creation_stacktrace_sampled": True,
}
ATTRIBUTES = {"code.function.name": "shop.query", "python.leak.count": 3, "python.leak.reason": "It leaked.", **STACKS}
NAME = "python.asyncio.task.orphaned"


class Backend:
    """Real providers that export to memory."""

    def __init__(self, mode="auto", *, sampler=None, tracer=True, logger=True):
        self.spans, self.records, self.dropped = InMemorySpanExporter(), InMemoryLogRecordExporter(), []
        tracers = TracerProvider(**({} if sampler is None else {"sampler": sampler}))
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        loggers = LoggerProvider()
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.records))
        self.tracer = tracers.get_tracer("t")
        self.sinks = Sinks(
            self.tracer if tracer else None, loggers.get_logger("l") if logger else None, mode, self.dropped.append
        )

    def send(self, **options):
        self.sinks.send(NAME, ATTRIBUTES, severity=SeverityNumber.WARN, **options)

    def counts(self):
        return len(self.spans.get_finished_spans()), len(self.records.get_finished_logs())


@pytest.mark.parametrize(("mode", "counts"), [("auto", (1, 1)), ("span", (1, 0)), ("log", (0, 1)), ("none", (0, 0))])
def test_send_by_mode(mode, counts):
    backend = Backend(mode)
    backend.send()
    assert (backend.counts(), backend.dropped) == (counts, [])
    assert backend.sinks.is_off is (mode == "none")
    assert (backend.sinks.newest_report_at is None) is (mode == "none")


def test_send_creators_span_gets_the_event_without_stacks():
    """They are in the report's own span; two stacks of 4 KB are no part of a request."""
    backend = Backend()
    with backend.tracer.start_as_current_span("GET /query") as span:
        backend.send(recording_span=span)
    (event,) = span.events
    assert event.name == NAME
    assert dict(event.attributes) == {key: value for key, value in ATTRIBUTES.items() if key not in STACKS}
    (report,) = [each for each in backend.spans.get_finished_spans() if each.name == NAME]
    assert STACKS.keys() <= report.events[0].attributes.keys()


def test_send_creators_span_that_has_ended_gets_nothing():
    backend = Backend()
    span = backend.tracer.start_span("GET /query")
    span.end()
    backend.send(recording_span=span)
    assert span.events == ()


def test_send_without_a_provider_of_one_kind_uses_the_other():
    for options, counts in (({"tracer": False}, (0, 1)), ({"logger": False}, (1, 0))):
        backend = Backend(**options)
        backend.send()
        assert (backend.counts(), backend.dropped) == (counts, [])


def test_send_without_provider_is_counted_and_logged_once(caplog):
    backend = Backend(tracer=False, logger=False)
    backend.send()
    backend.send()
    assert backend.dropped == ["no_sink", "no_sink"]
    assert len(caplog.records) == 1


def test_send_span_dropped_by_the_sampler_is_counted():
    backend = Backend("span", sampler=ALWAYS_OFF)
    backend.send()
    assert (backend.counts(), backend.dropped) == ((0, 0), ["sampler"])


def test_send_that_is_not_a_report_is_never_counted():
    backend = Backend("span", sampler=ALWAYS_OFF)
    backend.send(is_report=False)
    assert backend.dropped == []


def test_send_to_raising_provider_is_counted_and_logged_once(caplog):
    backend = Backend("span")
    backend.sinks._tracer = object()
    backend.send()
    backend.send()
    assert backend.dropped == ["error", "error"]
    assert len(caplog.records) == 1
    assert backend.sinks.newest_report_at is None


def test_send_span_is_a_root_with_links_to_the_creators():
    backend = Backend("span")
    with backend.tracer.start_as_current_span("scan") as current:
        creator = current.get_span_context()
        backend.send(links=(creator,))
    (report,) = [each for each in backend.spans.get_finished_spans() if each.name == NAME]
    assert report.parent is None
    assert [link.context for link in report.links] == [creator]
    assert "code.stacktrace" not in report.attributes


def test_send_log_record_belongs_to_the_creators_trace():
    backend = Backend("log")
    creator = backend.tracer.start_span("GET /query").get_span_context()
    backend.send(links=(creator,))
    record = backend.records.get_finished_logs()[0].log_record
    assert (record.trace_id, record.span_id) == (creator.trace_id, creator.span_id)
    assert record.body == "It leaked."
