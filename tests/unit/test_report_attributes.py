"""What a report says: the site and what it runs, the spawners in between, and a stack that may be missing."""

from dataclasses import replace

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from opentelemetry.instrumentation.concurrency.diagnose.verdict.finding import Finding
from opentelemetry.instrumentation.concurrency.diagnose.verdict.impact import Impact, LeakMemory
from opentelemetry.instrumentation.concurrency.diagnose.verdict.observation import Observation
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.report.attributes import report_attributes, site_attributes
from opentelemetry.instrumentation.concurrency.report.sinks import Sinks


def finding_of(kind="task", *, runs="", via=(), note="", coroutine="ask"):
    return Finding(
        kind=kind,
        function="shop.ask",
        path="/srv/shop.py",
        line=1,
        runs=runs,
        via=via,
        verdict="destroyed",
        evidence="nobody held it",
        reason="1 task was garbage-collected while pending: nobody held it.",
        count=1,
        fingerprint="0" * 16,
        observation=Observation("Task-1", coroutine, (), note, "unknown"),
        creation=(),
        creation_sampled=False,
        waiting_at=None,
        creator_span_name="",
        links=(),
        age_s=1.0,
        stalled_s=None,
    )


def attributes_of(finding):
    return report_attributes(finding, "id", stack_text_limit=4000, with_source=False, with_names=True)


def test_stack_note_alone_is_the_whole_stack():
    note = "it finished before or during the inspection"
    assert attributes_of(finding_of(note=note))["code.stacktrace"] == f"  ({note})"


def test_stack_without_frames_sets_no_attribute():
    assert "code.stacktrace" not in attributes_of(finding_of())


def test_task_report_names_the_started_function():
    """The function that was given to the spawner, as in metrics, and not the wrapper around it."""
    attributes = attributes_of(finding_of(runs="shop.search.ask", coroutine="guarded"))
    assert attributes["python.asyncio.task.coroutine"] == "shop.search.ask"
    assert "python.thread.target" not in attributes


def test_task_report_unknown_site_names_its_own_coroutine():
    assert attributes_of(finding_of(coroutine="guarded"))["python.asyncio.task.coroutine"] == "guarded"


def test_thread_report_names_its_target():
    attributes = attributes_of(finding_of("thread", runs="shop.work", coroutine=""))
    assert attributes["python.thread.target"] == "shop.work"
    assert "python.asyncio.task.coroutine" not in attributes
    assert "python.thread.target" not in attributes_of(finding_of("thread", coroutine=""))


def test_spawned_via_lists_spawners_innermost_first(monkeypatch):
    monkeypatch.syspath_prepend("/srv")
    via = (CodeLine("shop.util.fire_and_forget", "/srv/shop/util.py", 9), CodeLine("lib.spawn", "/elsewhere/lib.py", 3))
    attributes = site_attributes(finding_of(via=via))
    assert attributes["python.leak.spawned_via"] == (
        "shop.util.fire_and_forget (shop/util.py:9)",
        "lib.spawn (/elsewhere/lib.py:3)",
    )
    assert "python.leak.spawned_via" not in site_attributes(finding_of())


def test_memory_of_the_leak_has_a_note_unless_exact():
    memory = LeakMemory(40_200_000, 400, 400)
    attributes = attributes_of(replace(finding_of(), impact=Impact(memory)))
    assert attributes["python.leak.memory.usage"] == 40_200_000
    assert "python.leak.memory.note" not in attributes
    attributes = attributes_of(replace(finding_of(), impact=Impact(replace(memory, measured=100))))
    assert attributes["python.leak.memory.note"] == "estimated from 100 of 400 tasks"
    assert "python.leak.memory.usage" not in attributes_of(finding_of())


class SampledByAttributes(Sampler):
    """Keeps what it was asked about."""

    def __init__(self):
        self.asked = []

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        self.asked.append(dict(attributes or {}))
        return ALWAYS_ON.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self):
        return "keeps what it was asked about"


@pytest.fixture
def sent():
    """Send a report both ways; gives what the sampler, the spans and the log records show."""
    sampler, spans, logs = SampledByAttributes(), InMemorySpanExporter(), InMemoryLogRecordExporter()
    tracers, loggers = TracerProvider(sampler), LoggerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    sinks = Sinks(tracers.get_tracer("test"), loggers.get_logger("test"), "auto", lambda _reason: None)

    def send(attributes, severity=SeverityNumber.WARN):
        sinks.send("python.asyncio.task.destroyed", attributes, severity=severity)
        (span,), (log,) = spans.get_finished_spans(), logs.get_finished_logs()
        return sampler.asked[0], span, log.log_record

    return send


def test_short_span_itself_carries_site_and_verdict(sent):
    """Backends search the attributes of spans, few those of span events; a sampler sees them before it decides."""
    asked, span, _ = sent(attributes_of(finding_of(runs="shop.search.ask", note="cut")))
    assert dict(span.attributes) == {
        "code.function.name": "shop.ask",
        "code.file.path": "/srv/shop.py",
        "code.line.number": 1,
        "python.asyncio.task.coroutine": "shop.search.ask",
        "python.leak.verdict": "destroyed",
        "python.leak.count": 1,
        "python.leak.fingerprint": "0" * 16,
        "python.leak.reason": "1 task was garbage-collected while pending: nobody held it.",
    }
    assert asked == dict(span.attributes)
    assert "code.stacktrace" in span.events[0].attributes


@pytest.mark.parametrize("severity", [SeverityNumber.WARN, SeverityNumber.ERROR, SeverityNumber.INFO])
def test_log_record_has_severity_text_and_event_name(sent, severity):
    """Both also where the field `event_name` or the number is lost on the way."""
    _, span, record = sent(attributes_of(finding_of()), severity)
    assert record.severity_text == severity.name
    assert record.event_name == record.attributes["otel.event.name"] == "python.asyncio.task.destroyed"
    assert "otel.event.name" not in span.events[0].attributes


def test_task_that_swallowed_cancellation_says_how_often():
    asked = finding_of()
    asked = replace(asked, observation=replace(asked.observation, cancel_requests=2))
    assert attributes_of(asked)["python.leak.cancel_requests"] == 2
    assert "python.leak.cancel_requests" not in attributes_of(finding_of())
