"""Threads of this package: how they are made, and how a fork waits for their end."""

import os
import sys
import threading

import pytest

from opentelemetry.instrumentation.concurrency.record import own_thread as own_thread_module
from opentelemetry.instrumentation.concurrency.record.own_thread import enduring, join_before_fork, own_thread


def test_own_thread_is_a_daemon_that_debuggers_ignore():
    thread = own_thread(int, "OtelConcurrencyTest")
    assert thread.daemon and thread.name == "OtelConcurrencyTest"
    assert thread.is_pydev_daemon_thread is True
    assert thread.pydev_do_not_trace is True


def test_own_thread_goes_on_when_memory_is_short(monkeypatch):
    monkeypatch.setattr(own_thread_module, "_NO_MEMORY_PAUSE_S", 0.0)
    fails = [MemoryError(), MemoryError()]
    called = []

    def run(argument):
        called.append(argument)
        if fails:
            raise fails.pop()

    enduring(run)("once")
    assert called == ["once"] * 3


def test_join_before_fork_ignores_threads_that_do_not_run():
    join_before_fork(None, 1.0)
    join_before_fork(threading.current_thread(), 1.0)
    join_before_fork(threading.Thread(target=int), 1.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are seen in /proc")
def test_join_before_fork_waits_for_the_end_of_the_thread():
    release = threading.Event()
    thread = own_thread(release.wait, "OtelConcurrencyTest")
    thread.start()
    native_id = thread.native_id
    release.set()
    join_before_fork(thread, 5.0)
    assert not thread.is_alive()
    assert sys.version_info < (3, 12) or not os.path.exists(f"/proc/self/task/{native_id}")  # noqa: PTH110 (as there)
