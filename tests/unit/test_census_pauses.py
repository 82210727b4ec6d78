"""Pauses of a scan: the application runs during them, unless it has nothing to run."""

import threading

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.census.census import Census
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


class Waits(list):
    """Stands for the event that the scan thread waits on."""

    def wait(self, seconds):
        self.append(seconds)


@pytest.fixture
def census():
    """A census that pauses once per scan, in a process that is idle."""
    ConcurrencyInstrumentor().instrument(scan_interval=1000)
    recorder = current_installation().recorder
    found = Census(recorder, scan_interval=1000, on_scan=lambda _scan, pause: pause())
    found.schedule.process_is_idle = lambda: True
    found._wake = Waits()
    yield found
    ConcurrencyInstrumentor().uninstrument()


def test_scan_thread_omits_pauses_in_an_idle_process(census):
    census._thread = threading.current_thread()
    census.scan()
    assert not census._wake


def test_scan_of_another_thread_pauses_whatever_the_scan_thread_found(census):
    """A command asks for one while a loop is busy; what the scan thread found before is out of date."""
    census._thread = threading.current_thread()
    census.scan()
    census._thread = None
    census.scan()
    assert census._wake


def test_scan_thread_that_ran_before_a_fork_runs_after_it(census):
    census._wake = threading.Event()
    census.open()
    census.ensure_running()
    census.suspend()
    assert census._thread is None
    census.resume()
    try:
        assert census._thread is not None
    finally:
        census.close()


def test_scan_thread_that_did_not_run_before_a_fork_is_not_started(census):
    census.open()
    census.suspend()
    census.resume()
    assert census._thread is None
