"""The wait reason of threads, from their stacks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import queue
import selectors
import socket
import subprocess
import sys
import threading
import time

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.wait_reason import thread_wait_reason

uvloop = pytest.importorskip("uvloop")


def thread_reason(expected, target):
    """Start a thread on ``target`` and look until it waits for ``expected``; give what was last seen."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return look_until(expected, thread.ident), thread


def look_until(expected, ident):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        frame = sys._current_frames().get(ident)
        if frame is not None and (found := thread_wait_reason(frame)) == expected:
            return found
        del frame
    return found


class TestThreads:
    def test_queues(self):
        """The queue names the wait, not the condition inside it."""
        empty, full = queue.Queue(), queue.Queue(1)
        full.put(1)
        for expected, target, release in (
            ("queue.get", empty.get, lambda: empty.put(1)),
            ("queue.put", lambda: full.put(2), full.get),
            ("queue.join", full.join, full.task_done),
        ):
            found, thread = thread_reason(expected, target)
            release()
            if expected == "queue.join":
                full.get()
                full.task_done()
            thread.join()
            assert found == expected

    def test_primitives(self):
        """Events, conditions, semaphores and barriers by name; joining a thread is `lock.acquire`."""
        event, semaphore, barrier, condition = (
            threading.Event(),
            threading.Semaphore(0),
            threading.Barrier(2),
            threading.Condition(),
        )

        def wait_on():
            with condition:
                condition.wait()

        def notify():
            with condition:
                condition.notify_all()

        found, waiting = thread_reason("event.wait", event.wait)
        assert found == "event.wait"
        for expected, target, release in (
            ("semaphore.acquire", semaphore.acquire, semaphore.release),
            ("barrier.wait", barrier.wait, barrier.wait),
            ("condition.wait", wait_on, notify),
            ("lock.acquire", waiting.join, event.set),
        ):
            found, thread = thread_reason(expected, target)
            release()
            thread.join()
            assert found == expected
        waiting.join()

    def test_futures_and_executors(self):
        """Waiting for a result is `future`, for several `wait`; an idle pool worker is `executor`."""
        pending = concurrent.futures.Future()
        found, thread = thread_reason("future", pending.result)
        assert found == "future"
        found, other = thread_reason("wait", functools.partial(concurrent.futures.wait, [pending]))
        pending.set_result(None)
        thread.join()
        other.join()
        assert found == "wait"
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            ident = executor.submit(threading.get_ident).result()
            assert look_until("executor", ident) == "executor"
            parcels = queue.Queue()
            executor.submit(parcels.get)
            found = look_until("queue.get", ident)
            parcels.put(None)
            assert found == "queue.get"

    def test_sockets_and_selectors(self):
        """accept, a buffered read and select are `io.read`."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            found, thread = thread_reason("io.read", lambda: listener.accept()[0].close())
            socket.create_connection(listener.getsockname()).close()
            thread.join()
            assert found == "io.read"
        left, right = socket.socketpair()
        with left, right, left.makefile("rb") as stream, selectors.DefaultSelector() as selector:
            found, thread = thread_reason("io.read", stream.readline)
            right.sendall(b"line\n")
            thread.join()
            assert found == "io.read"
            selector.register(left, selectors.EVENT_READ)
            found, thread = thread_reason("io.read", selector.select)
            right.sendall(b"more\n")
            thread.join()
            assert found == "io.read"

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    def test_idle_event_loop(self, new_loop):
        """A thread whose loop has nothing to do reads, or runs when only C knows (a uvloop run by plain code)."""
        loop = new_loop()
        expected = "io.read" if new_loop is asyncio.new_event_loop else "running"
        found, thread = thread_reason(expected, lambda: loop.run_forever())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        assert found == expected

    def test_subprocess(self):
        """Waiting for a process is `subprocess`."""
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            found, thread = thread_reason("subprocess", process.wait)
            process.stdin.close()
            thread.join()
        assert found == "subprocess"

    def test_application_code_is_running(self):
        """A thread in plain code runs, as far as its frames can tell, even inside a callback of a library."""
        stop = threading.Event()

        def spin():
            while not stop.is_set():
                pass

        found, thread = thread_reason("running", spin)
        stop.set()
        thread.join()
        assert found == "running"
        assert thread_wait_reason(sys._getframe()) == "running"
