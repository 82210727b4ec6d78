"""Threads that outlived their creators, long before the age limit: at the end of the process, and on request."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, long_lived
from opentelemetry.instrumentation.concurrency.agent.leaks import answer_leaks
from opentelemetry.instrumentation.concurrency.cli.leaks import _has_more, leak_lines
from opentelemetry.instrumentation.concurrency.cli.sources import taken_from
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import threads as thread_hooks


@pytest.fixture
def released():
    event = threading.Event()
    yield event
    event.set()


def left(installation):
    scan = installation.census.scan(final=True)
    with installation.census.locked():
        return installation.diagnosis.scan_at_process_exit(installation.census, scan)


def start(released):
    threading.Thread(target=released.wait, daemon=True).start()


def test_threads_of_ended_jobs_are_one_group(instrumented, released):
    with ThreadPoolExecutor(2) as pool:
        for _ in range(30):
            pool.submit(start, released).result()
        (group,) = left(instrumented)
        evidence = group.members.clause(group.members.sample[0])
    assert (group.site.function, group.verdict, group.count) == (f"{__name__}.start", "orphaned", 30)
    assert evidence.endswith("and it was still running when the process ended")


def test_few_threads_are_work_in_progress(instrumented, released):
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            pool.submit(start, released).result()
        assert left(instrumented) == []


def test_threads_of_the_main_thread_end_with_it(instrumented, released):
    for _ in range(30):
        start(released)
    assert left(instrumented) == []


def test_declared_threads_are_left_out(instrumented, released):
    with ThreadPoolExecutor(2) as pool:
        for _ in range(30):
            pool.submit(long_lived("one reader per device")(start), released).result()
        assert left(instrumented) == []


class Reply:
    """Collects an answer of the agent."""

    def __init__(self):
        self.facts, self.text = {}, []

    def write(self, text):
        self.text.append(text)

    def lines(self):
        taken = taken_from("".join(self.text).encode(), "process 1")
        return "".join(leak_lines(taken, self.facts))


class Clock:
    """The age clock of a census, set forward by tests."""

    def __init__(self, census):
        self.census, self.ahead = census, 0.0
        clock = census.clock
        now = clock.now
        clock.now = lambda: now() + self.ahead

    def later(self, seconds):
        self.census.scan()
        self.ahead += seconds


@pytest.fixture
def by_hand(monkeypatch):
    """Ask for leaks; threads are orphans after five minutes, and what comes after the first minute is another rise."""
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600)
    installation = current_installation()
    clock = Clock(installation.census)
    monkeypatch.setattr(thread_hooks, "monotonic", lambda: time.monotonic() + clock.ahead)

    def ask():
        reply = Reply()
        answer_leaks(installation, reply, lambda: None)
        return reply

    yield ask, clock
    ConcurrencyInstrumentor().uninstrument()


def start_in_jobs(released, count):
    with ThreadPoolExecutor(2) as pool:
        for _ in range(count):
            pool.submit(start, released).result()


def start_in_ended_threads(released, count):
    for _ in range(count):
        creator = threading.Thread(target=start, args=(released,))
        creator.start()
        creator.join()


def test_young_leaks_show_on_request_and_are_called_young(by_hand, released):
    ask, clock = by_hand
    start_in_jobs(released, 30)
    clock.later(15)
    reply = ask()
    (young,) = reply.facts["young_threads"]
    assert (young["function"], young["count"], young["counts"]) == (f"{__name__}.start", 30, True)
    assert "too young for a verdict, which takes 5 minutes" in young["reason"]
    assert _has_more(reply.facts)
    assert "\n\n30 threads young: created by " in reply.lines()
    assert "30 young threads that outlived their creators (" in reply.lines()
    (impact,) = reply.facts["impacts"]
    assert impact["verdict"] == "young" and impact["memory"] is None and impact["advice"].startswith("Set the event")
    assert f"  advice: {impact['advice']}\n" in reply.lines()


def test_threads_of_just_ended_jobs_are_work_in_progress(by_hand, released):
    ask, clock = by_hand
    start_in_jobs(released, 30)
    clock.later(5)
    assert ask().facts["young_threads"] == []


def test_few_threads_of_the_first_minute_are_residents(by_hand, released):
    ask, clock = by_hand
    start_in_jobs(released, 5)
    clock.later(15)
    assert ask().facts["young_threads"] == []


def test_few_threads_of_calls_are_not_shown(by_hand, released):
    """A call handed to a thread may be a small part of what goes on."""
    ask, clock = by_hand
    start_in_jobs(released, 1)
    clock.later(100)
    start_in_jobs(released, 4)
    clock.later(15)
    assert ask().facts["young_threads"] == []


def test_few_later_ones_show_and_leave_the_exit_code(by_hand, released):
    ask, clock = by_hand
    start_in_ended_threads(released, 1)
    clock.later(100)
    start_in_ended_threads(released, 4)
    clock.later(15)
    reply = ask()
    (young,) = reply.facts["young_threads"]
    assert (young["count"], young["counts"]) == (5, False)
    assert not _has_more(reply.facts)
