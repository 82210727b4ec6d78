"""Threads of this package and of the OpenTelemetry SDK are one site each, whoever started them and when."""

import threading

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record.threads import (
    MAIN_SITE,
    MOST_SDK_THREADS,
    OWN_SITE,
    OWN_THREAD,
    SDK_SITE,
)


@pytest.fixture
def census():
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600)
    yield current_installation().census
    ConcurrencyInstrumentor().uninstrument()


def live_by_site(census):
    """Return how many threads live at each site; a thread that no hook saw is entered at the second scan."""
    census.scan()
    return {tally.site.function: tally.live for tally in census.scan().threads}


def processor():
    return BatchSpanProcessor(InMemorySpanExporter())


def test_sdk_threads_started_before_and_after_are_one_site():
    """Before: the census finds it. After: the hook on `Thread.start` sees it."""
    processors = [processor()]
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600)
    try:
        processors.append(processor())
        found = live_by_site(current_installation().census)
    finally:
        ConcurrencyInstrumentor().uninstrument()
        for each in processors:
            each.shutdown()
    assert found[SDK_SITE] >= 2
    assert not [name for name in found if name.startswith("opentelemetry.sdk.")]


def test_sdk_site_keeps_the_stack_of_the_provider(census):
    """One site for all of them must not hide a provider per request."""
    each = processor()
    try:
        (site,) = (site for site in census.recorder.thread_sites.sites if site.function == SDK_SITE)
        functions = [frame.code.co_name for frame in site.any_stack().frames]
    finally:
        each.shutdown()
    assert "processor" in functions


def test_sdk_threads_beyond_the_first_have_their_own_line(census):
    """One site for a handful; a provider per request shows where it is made."""
    processors = [processor() for _ in range(MOST_SDK_THREADS + 5)]
    try:
        found = live_by_site(census)
    finally:
        for each in processors:
            each.shutdown()
    assert found[f"{__name__}.processor"] == 5


def test_own_threads_are_one_site(census):
    release = threading.Event()
    threads = [threading.Thread(target=release.wait, name=f"OtelConcurrency{number}") for number in range(2)]
    for thread in threads:
        setattr(thread, OWN_THREAD, True)
        thread.start()
    try:
        found = live_by_site(census)
    finally:
        release.set()
        for thread in threads:
            thread.join()
    assert found[OWN_SITE] >= 2
    assert found[MAIN_SITE] == 1


@pytest.mark.parametrize("name", ["OtelMine", "worker"])
def test_application_thread_of_any_name_keeps_its_line(census, name):
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name=name)
    thread.start()
    try:
        found = live_by_site(census)
    finally:
        release.set()
        thread.join()
    expected = f"{__name__}.test_application_thread_of_any_name_keeps_its_line"
    assert found[expected] == 1
