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

from opentelemetry.instrumentation.concurrency import take_snapshot
from opentelemetry.instrumentation.concurrency.diagnose.introspection.thread_activity import ThreadActivity, is_asleep
from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import (
    shows_thread_wait,
    thread_wait_reason,
)

uvloop = pytest.importorskip("uvloop")


def thread_reason(expected, target):
    """Start a thread on ``target`` and look until it waits for ``expected``; give what was last seen."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return look_until(expected, thread.ident), thread


def native_id_of(ident):
    return next(thread.native_id for thread in threading.enumerate() if thread.ident == ident)


def look_until(expected, ident):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        frame = sys._current_frames().get(ident)
        asleep = None if frame is None or shows_thread_wait(frame) else is_asleep(native_id_of(ident))
        if frame is not None and (found := thread_wait_reason(frame, is_asleep=asleep)) == expected:
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
        """A thread whose loop has nothing to do reads, also where only C knows (a uvloop run by plain code)."""
        loop = new_loop()
        found, thread = thread_reason("io.read", lambda: loop.run_forever())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        assert found == "io.read"

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
        assert thread_wait_reason(sys._getframe(), is_asleep=False) == "running"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells sleeping threads from running ones")
class TestCalls:
    """A wait inside a C function that plain code called."""

    def test_lock_taken_by_plain_code(self):
        lock, recursive = threading.Lock(), threading.RLock()

        def in_block():
            with lock:
                pass

        def by_method():
            lock.acquire()
            lock.release()

        def with_timeout():
            if lock.acquire(timeout=60):
                lock.release()

        def recursively():
            with recursive:
                pass

        for target in (in_block, by_method, with_timeout, recursively):
            lock.acquire()
            recursive.acquire()
            found, thread = thread_reason("lock.acquire", target)
            lock.release()
            recursive.release()
            thread.join()
            assert found == "lock.acquire", target

    def test_sleep_and_sockets(self):
        left, right = socket.socketpair()
        stop = threading.Event()

        def sleep():
            while not stop.is_set():
                time.sleep(0.2)

        with left, right:
            found, thread = thread_reason("sleep", sleep)
            stop.set()
            thread.join()
            assert found == "sleep"
            found, thread = thread_reason("io.read", lambda: left.recv(1))
            right.send(b"1")
            thread.join()
            assert found == "io.read"

    def test_wait_that_no_name_tells(self):
        """It does not run, and what it waits for is unknown."""
        parcels = queue.SimpleQueue()
        found, thread = thread_reason("unknown", lambda: parcels.get())
        parcels.put(1)
        thread.join()
        assert found == "unknown"

    def test_busy_thread_never_sleeps(self):
        """Not even while it waits for the interpreter lock that the observer holds."""
        stop = threading.Event()

        def spin():
            while not stop.is_set():
                sum(range(100))

        thread = threading.Thread(target=spin)
        thread.start()
        answers = {is_asleep(thread.native_id) for _ in range(20)}
        stop.set()
        thread.join()
        assert answers == {False}

    def test_snapshot_tells_sleeping_threads_from_running_ones(self, instrumented):
        lock, stop = threading.Lock(), threading.Event()
        lock.acquire()

        def spin():
            while not stop.is_set():
                sum(range(100))

        names = {"blocked": lambda: lock.acquire(), "busy": spin}
        threads = [threading.Thread(target=target, name=name) for name, target in names.items()]
        for thread in threads:
            thread.start()
        assert look_until("lock.acquire", threads[0].ident) == "lock.acquire"
        found = {each.name: each.wait_reason for each in take_snapshot().threads}
        lock.release()
        stop.set()
        for thread in threads:
            thread.join()
        assert (found["blocked"], found["busy"]) == ("lock.acquire", "running")
        assert found["MainThread"] == "running"


class TestActivity:
    def test_thread_that_used_nothing_meanwhile_is_asleep(self):
        readings = {1: ["5", "5"], 2: ["5", "6"], 3: [""], 4: [None], 5: ["5", None]}
        waited = []
        activity = ThreadActivity(lambda native_id: readings[native_id].pop(0), waited.append)
        for native_id in readings:
            activity.note(native_id)
        activity.compare()
        assert [activity.is_asleep(each) for each in (1, 2, 3, 4, 5, 6)] == [True, False, False, None, None, None]
        assert len(waited) == 1 and waited[0] > sys.getswitchinterval()

    def test_threads_that_ran_at_once_need_no_wait(self):
        activity = ThreadActivity(lambda _: "", lambda _: pytest.fail("nothing to wait for"))
        activity.note(1)
        activity.compare()
        assert activity.is_asleep(1) is False

    def test_call_without_news_of_the_system_is_unknown(self):
        """It may run or wait."""
        assert thread_wait_reason(sys._getframe()) == "unknown"
