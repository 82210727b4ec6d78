"""Fields of futures and threads, read without running code of the application."""

import threading
from concurrent.futures import Future

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection.fields import (
    concurrent_state,
    is_alive,
    is_done_concurrent,
    is_pending_concurrent,
    thread_name,
)
from opentelemetry.instrumentation.concurrency.record.internals.of_threading import (
    is_daemon,
    thread_ident,
    thread_native_id,
)


def future_in(state):
    made = Future()
    made._state = state
    return made


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_pending_concurrent_future(state):
    assert is_pending_concurrent(future_in(state))
    assert not is_done_concurrent(future_in(state))


@pytest.mark.parametrize("state", ["CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED"])
def test_done_concurrent_future(state):
    assert is_done_concurrent(future_in(state))
    assert not is_pending_concurrent(future_in(state))


def test_concurrent_future_in_no_state_counts_as_pending():
    assert concurrent_state(future_in(7)) == ""
    assert is_pending_concurrent(future_in(7))


@pytest.mark.parametrize("other", [None, 5, "PENDING", object()])
def test_other_object_is_neither_pending_nor_done(other):
    assert concurrent_state(other) is None
    assert not is_pending_concurrent(other) and not is_done_concurrent(other)


def test_fields_of_a_thread_that_runs_and_of_one_that_does_not():
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="worker", daemon=True)
    assert (thread_ident(thread), thread_native_id(thread), is_alive(thread)) == (0, 0, False)
    thread.start()
    try:
        assert (thread_name(thread), thread_ident(thread), is_daemon(thread)) == ("worker", thread.ident, True)
        assert thread_native_id(thread) == thread.native_id
        assert is_alive(thread)
    finally:
        release.set()
        thread.join()
    assert not is_alive(thread)
    assert not is_daemon(threading.main_thread())
