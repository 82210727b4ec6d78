"""What the hook on `threading.Thread.start` records, with threads that are never started."""

import threading
from weakref import WeakKeyDictionary

import pytest
from opentelemetry.context import attach, detach, set_value
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from opentelemetry.instrumentation.concurrency.record.application import ApplicationCode
from opentelemetry.instrumentation.concurrency.record.creator import forget_latest_span
from opentelemetry.instrumentation.concurrency.record.failure import HookFailure
from opentelemetry.instrumentation.concurrency.record.site_table import SiteTable
from opentelemetry.instrumentation.concurrency.record.threads import thread_is_finished, thread_start_hook
from opentelemetry.instrumentation.concurrency.record.young import WIDTH, YoungList

SPAN_CONTEXT = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def work():
    """Stand for what a thread runs."""


class Hook:
    """A hook of its own, whose threads are noted instead of started."""

    def __init__(self):
        self.started, self.failed, self.recorded = [], [], []
        self.young = YoungList(thread_is_finished)
        self.table = SiteTable(
            "thread",
            stack_depth=8,
            stack_sampling=1,
            on_new_site=lambda: None,
            application=ApplicationCode(),
        )
        self.start, self.disarm = thread_start_hook(
            self.started.append,
            self.table,
            self.young,
            WeakKeyDictionary(),
            HookFailure("threading.Thread.start", self.failed.append),
            lambda: self.recorded.append(len(self.started)),
        )

    def entries_of(self, thread):
        """Start a thread and return what is recorded of it."""
        self.start(thread)
        entry = self.young.entries[-WIDTH:]
        return dict(zip(("reference", "site", "at", "creator", "span", "address"), entry, strict=True))


@pytest.fixture
def hook():
    yield Hook()
    forget_latest_span()


def new_thread():
    return threading.Thread(target=work)


def test_hook_records_thread_site_and_creator(hook):
    thread = new_thread()
    entry = hook.entries_of(thread)
    assert entry["reference"]() is thread
    assert entry["address"] == id(thread)
    assert entry["creator"]() is threading.current_thread()
    assert entry["site"].function.endswith("test_hook_records_thread_site_and_creator")
    assert hook.started == [thread]
    assert len(entry["site"].stacks) == 1


def test_hook_records_the_span_of_the_creation(hook):
    with use_span(NonRecordingSpan(SPAN_CONTEXT)):
        entry = hook.entries_of(new_thread())
    assert entry["span"].context == SPAN_CONTEXT


def test_hook_without_span_records_none(hook):
    assert hook.entries_of(new_thread())["span"] is None
    token = attach(set_value("tenant", "a"))
    try:
        assert hook.entries_of(new_thread())["span"] is None
    finally:
        detach(token)


def test_hook_reports_a_new_site_once_its_thread_has_started(hook):
    for _ in range(3):
        hook.start(threading.Thread(target=work))
    assert hook.recorded == [1]


def test_hook_disarmed_starts_threads_and_records_nothing(hook):
    hook.disarm()
    thread = new_thread()
    hook.start(thread)
    assert hook.started == [thread]
    assert hook.young.entries == []


def test_hook_that_fails_starts_the_thread_and_disarms_itself(hook, caplog):
    hook.table.find = None
    threads = [new_thread(), new_thread()]
    for thread in threads:
        hook.start(thread)
    assert hook.started == threads
    assert hook.failed == ["threading.Thread.start"]
    assert "failed and has been removed" in caplog.text
