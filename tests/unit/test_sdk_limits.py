"""The SDK's limits take no innermost frame away, and nothing of a report vanishes without a word."""

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk import _logs as sdk_logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as log_export
from opentelemetry.sdk.trace import SpanLimits as SdkSpanLimits
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, TraceFlags

from opentelemetry.instrumentation.concurrency.diagnose.introspection.fingerprint import NamedFrame
from opentelemetry.instrumentation.concurrency.report.sdk_limits import Limits, fit
from opentelemetry.instrumentation.concurrency.report.sinks import Sinks
from opentelemetry.instrumentation.concurrency.report.stack_text import stack_text

FRAMES = [NamedFrame(f"shop.layer_{number}", f"/app/shop/{number}.py", number, True) for number in range(20)]
STACK = stack_text(FRAMES, limit_bytes=2000)
REPORT = {
    "code.function.name": "shop.search.query",
    "code.file.path": "/app/shop/search.py",
    "code.line.number": 31,
    "python.leak.verdict": "orphaned",
    "python.leak.reason": "It has outlived what started it.",
    "python.leak.count": 40,
    "python.leak.fingerprint": "0123456789abcdef",
    "python.leak.report.id": "fedcba9876543210",
    "code.stacktrace": STACK,
    "python.leak.creation_stacktrace": STACK,
    "python.leak.spawned_via": ("shop.util.fire_and_forget (shop/util.py:9)",),
    "python.asyncio.task.name": "Task-1",
}
LINKS = tuple(SpanContext(number, number, is_remote=False, trace_flags=TraceFlags(1)) for number in range(1, 9))
LENGTHS = ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT")


@pytest.fixture
def send(monkeypatch):
    """Send a report through real providers made under these limits; gives the span and the log record."""

    def send(span_limits=None, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        spans, tracers = InMemorySpanExporter(), TracerProvider(span_limits=span_limits)
        tracers.add_span_processor(SimpleSpanProcessor(spans))
        exporter = getattr(log_export, "InMemoryLogRecordExporter", None) or log_export.InMemoryLogExporter
        records, loggers = exporter(), LoggerProvider()
        loggers.add_log_record_processor(log_export.SimpleLogRecordProcessor(records))
        dropped = []
        sinks = Sinks(tracers.get_tracer("t"), loggers.get_logger("l"), "auto", dropped.append)
        sinks.send("python.asyncio.task.orphaned", REPORT, severity=SeverityNumber.WARN, links=LINKS)
        assert dropped == []
        (span,), (record,) = spans.get_finished_spans(), records.get_finished_logs()
        return span, getattr(record, "log_record", record)

    return send


@pytest.mark.parametrize("limit", [2000, 500, 120, 60])
@pytest.mark.parametrize("variable", LENGTHS)
def test_value_length_limit_keeps_the_innermost_frames(send, variable, limit):
    """Whole frames, and how many are cut."""
    span, record = send(**{variable: limit})
    stacks = [record.attributes["code.stacktrace"], record.attributes["python.leak.creation_stacktrace"]]
    if variable == LENGTHS[0]:
        stacks.append(span.events[0].attributes["code.stacktrace"])
    for stack in stacks:
        assert len(stack) <= limit
        assert stack.endswith("in shop.layer_19")
        frames = stack.count("  File ")
        assert frames == 20 or stack.startswith((f"  ... {20 - frames} outer frame", "…"))


@pytest.mark.parametrize("limit", [0, 1, 2, 5, 16, 30])
def test_tiny_value_length_keeps_the_end_of_the_innermost(send, limit):
    """Where not one frame fits, the name of the function is at its end."""
    span, record = send(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=limit)
    for attributes in (record.attributes, span.events[0].attributes):
        assert STACK.endswith(attributes["code.stacktrace"].lstrip("…"))
        assert all(len(value) <= limit for value in attributes.values() if isinstance(value, str))
    assert limit < 2 or record.attributes["code.function.name"].endswith("…") or limit > 16


@pytest.mark.parametrize("count", [1, 2, 5, 8, 11])
@pytest.mark.parametrize(
    "variable",
    ["OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT"],
)
def test_attribute_limit_keeps_main_attributes_and_counts_rest(send, variable, count):
    """The SDK would drop the first, which are site and verdict."""
    span, record = send(**{variable: count})
    of = {"EVENT": [span.events[0].attributes], "LOGRE": [record.attributes]}
    for attributes in of.get(variable[5:10], [span.events[0].attributes, record.attributes]):
        assert len(attributes) == count
        total = len(REPORT) + ("otel.event.name" in attributes or attributes is record.attributes)
        assert attributes["python.leak.reason"].startswith("It has outlived what started it. [")
        assert f"{total - count} attributes left out (limit {count})" in attributes["python.leak.reason"]
        assert ("code.function.name" in attributes) == (count > 1)
        assert ("code.stacktrace" in attributes) == (count > 6)
        assert attributes.dropped == 0


@pytest.mark.filterwarnings("ignore:Log record attributes were dropped")
def test_attribute_count_of_zero_is_counted_by_the_sdk(send):
    """There is no place to say it."""
    _, record = send(OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT=0)
    assert len(record.attributes) == 0
    assert record.attributes.dropped == len(REPORT) + 1


@pytest.mark.parametrize("links", [0, 1, 3, 8])
def test_link_limit_keeps_the_representatives_and_says_the_rest(send, links):
    """The SDK would drop the first."""
    span, _ = send(OTEL_SPAN_LINK_COUNT_LIMIT=links)
    assert [link.context for link in span.links] == list(LINKS[:links])
    for attributes in (span.attributes, span.events[0].attributes):
        assert (f"{8 - links} links left out" in attributes["python.leak.reason"]) == (links < 8)


def test_span_without_room_for_an_event_carries_everything(send):
    """The stack would vanish with the event."""
    span, _ = send(OTEL_SPAN_EVENT_COUNT_LIMIT=0)
    assert span.events == ()
    assert span.attributes["code.stacktrace"].endswith("in shop.layer_19")
    assert len(span.attributes) == len(REPORT)


def test_limits_given_in_code_count(send):
    """Those of the provider, not of the environment."""
    limits = SdkSpanLimits(max_attribute_length=100, max_event_attributes=3, max_links=2, max_span_attribute_length=10)
    span, record = send(limits)
    assert len(span.events[0].attributes) == 3
    assert len(span.links) == 2
    assert span.attributes["code.function.name"] == "shop.sear…"
    assert record.attributes["code.stacktrace"] == STACK


def test_creators_span_that_is_full_loses_no_event_of_its_own():
    """The SDK would drop the oldest of the application to make room for ours."""
    limits = SdkSpanLimits(max_events=2, max_event_attributes=4)
    tracer = TracerProvider(span_limits=limits).get_tracer("t")
    sinks = Sinks(tracer, None, "span", lambda _: None)
    roomy, full = tracer.start_span("roomy"), tracer.start_span("full")
    full.add_event("first")
    full.add_event("second")
    for span in (roomy, full):
        sinks.send("x", REPORT, severity=SeverityNumber.WARN, recording_span=span)
    assert [event.name for event in full.events] == ["first", "second"]
    assert "attributes left out" in roomy.events[0].attributes["python.leak.reason"]


@pytest.mark.skipif(not hasattr(sdk_logs, "LogRecordLimits"), reason="log limits in code came with 1.45")
def test_logger_limits_given_in_code_count():
    """Those of the logger's provider."""
    records = log_export.InMemoryLogRecordExporter()
    loggers = LoggerProvider(log_record_limits=sdk_logs.LogRecordLimits(max_log_record_attributes=2))
    loggers.add_log_record_processor(log_export.SimpleLogRecordProcessor(records))
    sinks = Sinks(None, loggers.get_logger("l"), "log", lambda _: None)
    sinks.send("x", REPORT, severity=SeverityNumber.WARN)
    (found,) = records.get_finished_logs()
    assert set(found.log_record.attributes) == {"python.leak.reason", "code.function.name"}


def test_report_within_limits_is_unchanged():
    """Nothing is added where nothing is cut."""
    assert fit(REPORT, Limits()) == REPORT
    assert fit(REPORT, Limits(length=10_000, count=100)) == REPORT


def test_mark_of_an_earlier_cut_is_counted_on():
    """A stack that was cut to ``STACK_TEXT_LIMIT`` already."""
    cut = stack_text(FRAMES, limit_bytes=300)
    fitted = fit({"code.stacktrace": cut}, Limits(length=150))["code.stacktrace"]
    frames = fitted.count("  File ")
    assert fitted.startswith(f"  ... {20 - frames} outer frames cut\n")
    assert fitted.endswith("in shop.layer_19")


def test_stack_that_is_too_long_by_one_frame_loses_that_frame():
    fitted = fit({"code.stacktrace": STACK}, Limits(length=len(STACK) - 1))["code.stacktrace"]
    assert fitted.startswith("  ... 1 outer frame cut\n")
    assert fitted.count("  File ") == 19


def test_stack_fills_the_limit_to_the_last_character():
    cut = fit({"code.stacktrace": STACK}, Limits(length=500))["code.stacktrace"]
    assert fit({"code.stacktrace": STACK}, Limits(length=len(cut)))["code.stacktrace"] == cut


def test_attributes_beyond_the_important_ones_are_kept_in_order_while_there_is_room():
    attributes = {"python.leak.reason": "It leaks.", "first": 1, "second": 2, "third": 3}
    fitted = fit(attributes, Limits(count=3))
    assert set(fitted) == {"python.leak.reason", "first", "second"}
