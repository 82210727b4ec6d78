"""Pings to event loops: which loops get one, and under how many thread names the answers are recorded."""

import asyncio
import selectors
import threading

import pytest

from opentelemetry.instrumentation.concurrency.report.eventloop_delay import (
    MAX_THREAD_NAMES,
    DelayProbe,
    is_selecting,
    may_be_pinged,
)


class Loop(asyncio.BaseEventLoop):
    """A running loop that keeps its callbacks until a test runs them."""

    def __init__(self):
        self.callbacks, self.running = [], False
        super().__init__()
        self._thread_id, self.running = threading.get_ident(), True

    def is_running(self):
        return self.running

    def answer(self, name="MainThread"):
        thread = threading.Thread(target=lambda: [callback() for callback in self.callbacks], name=name)
        thread.start()
        thread.join()
        self.callbacks.clear()

    def __del__(self):
        pass


class Probe:
    def __init__(self):
        self.now, self.recorded, self.answered = 10.0, [], []
        self.probe = DelayProbe(
            lambda delay, name: self.recorded.append((delay, name)),
            lambda loop, delay: self.answered.append((loop, delay)),
            lambda: self.now,
        )


@pytest.fixture
def loop(monkeypatch):
    monkeypatch.setattr(
        asyncio.BaseEventLoop, "call_soon_threadsafe", lambda self, callback: self.callbacks.append(callback)
    )
    return Loop()


def test_scan_pings_from_the_second_one_on(loop):
    probe = Probe()
    probe.probe.scan([loop])
    assert loop.callbacks == []
    probe.probe.scan([loop])
    assert len(loop.callbacks) == 1


def test_collect_records_delay_and_thread_of_the_answer(loop):
    probe = Probe()
    probe.probe.scan([loop])
    probe.probe.scan([loop])
    probe.now = 10.25
    loop.answer("worker")
    probe.probe.collect()
    assert probe.recorded == [(0.25, "worker")]
    assert probe.answered == [(loop, 0.25)]
    assert probe.probe.pending() == []


def test_scan_unanswered_ping_is_the_only_one(loop):
    probe = Probe()
    for _ in range(4):
        probe.probe.scan([loop])
    assert len(loop.callbacks) == 1
    (ping,) = probe.probe.pending()
    assert probe.probe.unanswered() == [ping]
    assert (ping.loop(), ping.sent_at) == (loop, 10.0)


def test_collect_void_ping_is_answered_and_not_recorded(loop):
    """The process could not run meanwhile."""
    probe = Probe()
    probe.probe.scan([loop])
    probe.probe.scan([loop])
    probe.probe.pending()[0].is_void = True
    loop.answer()
    probe.probe.collect()
    assert probe.recorded == []
    assert len(probe.answered) == 1


@pytest.mark.parametrize("state", ["closed", "stopped"])
def test_scan_closed_or_stopped_loop_is_not_pinged(loop, state):
    loop._closed, loop.running = state == "closed", state != "stopped"
    probe = Probe()
    probe.probe.scan([loop])
    probe.probe.scan([loop])
    assert loop.callbacks == []


def test_thread_names_are_bounded(loop):
    """A loop per thread per job must not make a series per job."""
    probe = Probe()
    probe.probe.scan([loop])
    for letter in map(chr, range(ord("a"), ord("a") + MAX_THREAD_NAMES + 5)):
        probe.probe.scan([loop])
        loop.answer(f"job-{letter}")
    probe.probe.collect()
    names = [name for _, name in probe.recorded]
    assert len(set(names)) == MAX_THREAD_NAMES + 1
    assert names[MAX_THREAD_NAMES:] == ["_OTHER"] * 5


def test_thread_names_that_differ_in_numbers_are_one(loop):
    probe = Probe()
    probe.probe.scan([loop])
    for number in range(30):
        probe.probe.scan([loop])
        loop.answer(f"Thread-{number}")
    probe.probe.collect()
    assert {name for _, name in probe.recorded} == {"Thread-N"}


def test_thread_of_a_loop_that_runs(loop):
    probe = Probe()
    assert probe.probe.thread_of(loop) == (threading.get_ident(), threading.current_thread().name)
    loop._thread_id = None
    assert probe.probe.thread_of(loop) == (0, "")


def test_may_be_pinged_loop_with_its_own_time_is_not(loop):
    class Simulated(Loop):
        def time(self):
            return 0.0

    assert may_be_pinged(loop)
    assert not may_be_pinged(Simulated())
    assert not may_be_pinged(object())


def test_is_selecting_code_of_selectors_only():
    assert is_selecting(selectors.SelectSelector.select.__code__)
    assert not is_selecting(is_selecting.__code__)
    assert not is_selecting(selectors.SelectSelector.register.__code__)
