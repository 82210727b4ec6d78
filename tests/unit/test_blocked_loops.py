"""A loop that does not answer is reported once, with the stack that blocks it, and its end is told."""

import asyncio
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from opentelemetry.instrumentation.concurrency.report.blocked_loops import QUIET_S, BlockedLoops
from opentelemetry.instrumentation.concurrency.report.eventloop_delay import DelayProbe


class Sent(list):
    """A sink that keeps what it is given."""

    def send(self, name, attributes, **_):
        self.append((name, attributes))


class Process:
    """A loop in a thread, a probe that pings it, a watch over it, and clocks that are told what time it is."""

    def __init__(self, blocked_age=1.0):
        self.now, self.cpu, self.sent, self.delays = 1000.0, 0.0, Sent(), []
        self.watch = BlockedLoops(
            blocked_age,
            self.sent,
            stack_text_limit=2000,
            with_source=False,
            clock=lambda: self.now,
            cpu=lambda: self.cpu,
        )
        self.now += QUIET_S
        self.probe = DelayProbe(
            lambda delay, name: self.delays.append((delay, name)), self.watch.answered, clock=lambda: self.now
        )
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="MainLoop-1")
        self.thread.start()

    def scan(self):
        self.probe.scan([self.loop])

    def check(self):
        self.watch.check(self.probe.pending())


@contextmanager
def process(**options):
    made = Process(**options)
    try:
        yield made
    finally:
        made.loop.call_soon_threadsafe(made.loop.stop)
        made.thread.join()
        made.loop.close()


@contextmanager
def blocked(made, wait=None):
    """Keep the loop's thread in one callback, with a ping sent and unanswered."""
    entered, release = threading.Event(), threading.Event()

    def hold_the_loop():
        entered.set()
        (wait or release.wait)()

    made.loop.call_soon_threadsafe(hold_the_loop)
    entered.wait()
    made.scan()
    made.scan()
    assert made.probe.pending()
    try:
        yield
    finally:
        release.set()


def answer(made):
    done = threading.Event()
    made.loop.call_soon_threadsafe(done.set)
    done.wait()


def test_blocked_loop_is_reported_once_with_stack_and_duration():
    with process() as made:
        with blocked(made):
            made.check()
            assert made.sent == []
            made.now += 2
            made.check()
            made.check()
            ((name, report),) = made.sent
            assert name == "python.asyncio.eventloop.blocked"
            assert "in " + __name__ + ".blocked.hold_the_loop" in report["code.stacktrace"]
            assert report["python.asyncio.eventloop.blocked_for"] >= 2
            assert report["python.leak.waiting_at"].startswith(__name__ + ".blocked.hold_the_loop (")
        answer(made)
        made.probe.collect()
        name, end = made.sent[1]
        assert (name, end["python.leak.report.id"]) == ("python.leak.resolved", report["python.leak.report.id"])
        assert "code.stacktrace" not in end
        assert [name for _, name in made.delays] == ["MainLoop-N"]


def test_idle_loop_is_not_woken_and_counts_as_no_delay():
    with process() as made:
        answer(made)
        while not is_selecting(made.thread):
            time.sleep(0.001)
        for _ in range(4):
            made.scan()
        # None in the first scan, as of any loop; a ping would be pending or have a delay of its own.
        assert made.delays == [(0.0, "MainLoop-N")] * 3
        assert made.probe.pending() == []


def is_selecting(thread):
    frame = sys._current_frames()[thread.ident]
    return frame.f_code.co_name == "select"


def test_loop_that_answers_is_not_reported():
    with process() as made:
        with blocked(made):
            pass
        answer(made)
        made.now += 60
        made.check()
        assert made.sent == []


def test_nothing_is_reported_in_the_first_minute():
    with process() as made:
        made.now -= QUIET_S - 5
        with blocked(made):
            made.now += 10
            made.check()
        assert made.sent == []


def test_age_zero_reports_nothing():
    with process(blocked_age=0) as made, blocked(made):
        made.now += 10
        made.check()
        assert made.watch.wait_s(made.probe.pending()) is None
        assert made.sent == []


def test_stopped_machine_is_not_a_blocked_loop():
    """Ten minutes pass without any use of the processor: nobody could answer."""
    with process() as made:
        with blocked(made):
            made.check()
            made.now += 600
            made.check()
            made.check()
        answer(made)
        made.probe.collect()
        assert made.sent == [] and made.delays == []


def test_code_that_keeps_the_interpreter_lock_is_a_blocked_loop():
    """Nobody could check either, but the processor was busy."""
    with process() as made, blocked(made):
        made.check()
        made.now += 600
        made.cpu += 590
        made.check()
        assert len(made.sent) == 1


def test_loop_held_by_a_debugger_is_not_blocked():
    held = threading.Event()
    namespace = {"__name__": "pdb", "held": held}
    exec("def interaction(): held.wait()", namespace)
    with process() as made:
        with blocked(made, namespace["interaction"]):
            made.now += 10
            made.check()
            assert made.sent == []
            held.set()


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop has no Windows build")
def test_uvloop_is_reported_once_its_thread_is_known():
    uvloop = pytest.importorskip("uvloop")
    with process() as made:
        native, made.loop = made.loop, uvloop.new_event_loop()
        thread = threading.Thread(target=made.loop.run_forever)
        thread.start()
        try:
            made.probe._scans = 1
            made.scan()
            answer(made)
            made.probe.collect()
            made.probe._scans = 12
            with blocked(made):
                made.now += 2
                made.check()
                assert len(made.sent) == 1
        finally:
            answer(made)
            made.loop.call_soon_threadsafe(made.loop.stop)
            thread.join()
            made.loop.close()
            made.loop = native
