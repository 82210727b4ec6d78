"""What is kept of the span under which something was created, and when it says that a request has ended."""

import gc

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import INVALID_SPAN, SpanKind

from opentelemetry.instrumentation.concurrency.record.creator import CreatorSpan, creator_span, forget_latest_span


@pytest.fixture
def tracer():
    yield TracerProvider().get_tracer("t")
    forget_latest_span()


@pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.CONSUMER])
def test_entry_ended_of_a_request_or_message_follows_its_end(tracer, kind):
    span = tracer.start_span("GET /query", kind=kind)
    kept = CreatorSpan(span)
    assert not kept.entry_ended()
    span.end()
    assert kept.entry_ended()


@pytest.mark.parametrize("kind", [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.PRODUCER])
def test_entry_ended_of_an_inner_span_stays_false(tracer, kind):
    """Inner spans end in start-up code as well."""
    span = tracer.start_span("work", kind=kind)
    kept = CreatorSpan(span)
    span.end()
    assert not kept.entry_ended()
    assert kept.recording_span() is None


def test_entry_ended_of_a_freed_entry_span_is_true(tracer):
    span = tracer.start_span("GET /query", kind=SpanKind.SERVER)
    kept = CreatorSpan(span)
    assert kept.recording_span() is span
    del span
    gc.collect()
    assert kept.entry_ended()
    assert kept.recording_span() is None
    assert kept.name == "GET /query"


def test_entry_ended_of_an_unsampled_request_stays_false():
    """It has neither kind nor end, and has never been recording."""
    span = TracerProvider(sampler=ALWAYS_OFF).get_tracer("t").start_span("GET /query", kind=SpanKind.SERVER)
    kept = CreatorSpan(span)
    span.end()
    assert not kept.entry_ended()
    assert not kept.is_sampled


def test_name_follows_a_span_that_is_renamed(tracer):
    span = tracer.start_span("GET", kind=SpanKind.SERVER)
    kept = CreatorSpan(span)
    span.update_name("GET /query/{id}")
    assert kept.name == "GET /query/{id}"
    assert kept.is_sampled


def test_creator_span_of_one_span_is_one_record(tracer):
    first, second = tracer.start_span("first"), tracer.start_span("second")
    record = creator_span(first)
    assert creator_span(first) is record
    assert creator_span(second) is not record
    assert creator_span(second).context == second.get_span_context()


def test_creator_span_without_a_valid_context_is_none():
    assert creator_span(INVALID_SPAN) is None


def test_creator_span_without_weak_references_is_none(tracer):
    class Bare:
        __slots__ = ()

    assert creator_span(Bare()) is None
