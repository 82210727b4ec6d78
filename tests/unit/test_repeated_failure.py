"""Failures that recur are counted and logged seldom, and none silences those that come later."""

import logging

import pytest

from opentelemetry.instrumentation.concurrency.record import own_thread
from opentelemetry.instrumentation.concurrency.record.repeated_failure import RepeatedFailure


def test_repeated_failure_is_logged_once_per_ten_minutes(caplog):
    now = [0.0]
    failure = RepeatedFailure("A scan failed.", lambda: now[0])
    for now[0] in range(0, 1300, 5):
        failure.note(OSError("no descriptor"))
    lines = [record.getMessage() for record in caplog.records]
    assert failure.count == 260
    assert lines == [
        "A scan failed.",
        "A scan failed. 120 failures since the last such message.",
        "A scan failed. 120 failures since the last such message.",
    ]
    assert all(record.exc_info for record in caplog.records)


def test_repeated_failure_without_traceback_says_the_error(caplog):
    RepeatedFailure("No accept.").note(OSError("no descriptor"), with_traceback=False)
    assert caplog.messages == ["No accept. (no descriptor)"]
    assert not caplog.records[0].exc_info


def test_repeated_failure_not_logged_is_logged_next_time(caplog, monkeypatch):
    """Without memory for a log record nothing is raised, and the line is not lost for ten minutes."""
    failure = RepeatedFailure("A scan failed.", lambda: 0.0)
    with monkeypatch.context() as without_memory:
        without_memory.setattr(logging.Logger, "makeRecord", raise_memory_error)
        failure.note(MemoryError())
    failure.note(MemoryError())
    assert caplog.messages == ["A scan failed. (MemoryError) 2 failures since the last such message."]


def raise_memory_error(*_args, **_kwargs):
    raise MemoryError


def test_enduring_run_without_memory_is_called_again(monkeypatch):
    """Anything else than a MemoryError ends it, as does its own end."""
    monkeypatch.setattr(own_thread, "_NO_MEMORY_PAUSE_S", 0)
    ends = [MemoryError, MemoryError, None, MemoryError, OSError]

    def run(argument):
        assert argument == "argument"
        if end := ends.pop(0):
            raise end

    own_thread.enduring(run)("argument")
    assert ends == [MemoryError, OSError]
    with pytest.raises(OSError):
        own_thread.enduring(run)("argument")
