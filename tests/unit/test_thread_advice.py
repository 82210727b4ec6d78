"""Which advice a leaked thread gets, and when there is none."""

import queue
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from logging.handlers import QueueListener
from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency import check_leaks
from opentelemetry.instrumentation.concurrency.diagnose.impact.thread_advice import (
    THREAD_PATTERNS,
    ThreadFacts,
    advice_on_thread,
    thread_facts_on,
)

PAGE = Path(__file__).parents[2] / "docs" / "reading-a-report.md"


def facts(wait_reason="queue.get", verdict="orphaned", **more):
    return ThreadFacts(verdict, wait_reason, "shop.query", **more)


@pytest.mark.parametrize(
    ("leak", "begins"),
    [
        (facts("executor", is_worker=True), "Call shutdown() on the executor that shop.query made"),
        (facts("executor", "growing", is_worker=True), "Call shutdown() on the executor"),
        (facts("queue.get", is_worker=True), "Give the calls"),
        (facts("event.wait", is_timer=True), "Call cancel() on the timer"),
        (facts("unknown", library="redis"), "Call close(), stop(), shutdown() or the like of the object of redis"),
        (facts(), "Put an end mark into the queue"),
        (facts("queue.put"), "Give put() a timeout"),
        (facts("event.wait"), "Set the event once the thread that shop.query started"),
        (facts("condition.wait"), "Notify the condition"),
        (facts("lock.acquire"), "Release the lock"),
        (facts("sleep"), "Let the thread wait for an event"),
        (facts("io.read", "growing"), "End the wait on every path"),
    ],
)
def test_advice_on_thread_is_one_sentence(leak, begins):
    advice = advice_on_thread(leak)
    assert advice.startswith(begins) and advice.endswith(".") and "{" not in advice and len(advice) <= 220


@pytest.mark.parametrize(
    "leak",
    [
        facts("unknown"),
        facts("running"),
        facts("io.read"),
        facts("lock.acquire", waits_in_threading=True),
        facts("event.wait", ""),
        facts("lock.acquire", "growing"),
    ],
)
def test_advice_on_uncertain_thread_is_empty(leak):
    assert advice_on_thread(leak) == ""


def test_every_pattern_of_threads_stands_on_the_page():
    _, _, of_threads = PAGE.read_text().partition("Threads have a table of their own")
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", of_threads, re.MULTILINE)
    assert [row for row in rows if row[0] in {pattern.when for pattern in THREAD_PATTERNS}] == [
        (pattern.when, re.sub(r"\{(\w+)\}", r"*\1*", pattern.text)) for pattern in THREAD_PATTERNS
    ]


def facts_of(thread):
    return thread_facts_on(thread, "orphaned", "shop.query")


def test_thread_of_a_library_is_recognized_by_all_its_frames():
    listener = QueueListener(queue.Queue())
    listener.start()
    try:
        assert facts_of(listener._thread).library == "logging"
    finally:
        listener.stop()


def test_thread_of_a_library_that_runs_a_callback_is_of_the_application():
    called, release = threading.Event(), threading.Event()

    class Handler:
        level = 0

        def handle(self, _record):
            called.set()
            release.wait()

    items = queue.Queue()
    listener = QueueListener(items, Handler())
    listener.start()
    items.put("record")
    called.wait()
    try:
        assert facts_of(listener._thread).library == ""
    finally:
        release.set()
        listener.stop()


def test_timer_and_idle_worker_are_recognized():
    timer = threading.Timer(3600, print)
    timer.start()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(int).result()
        (worker,) = executor._threads
        found = facts_of(timer), facts_of(worker)
    timer.cancel()
    timer.join()
    assert found[0].is_timer and not found[0].is_worker
    assert found[1].is_worker and not found[1].is_timer and not found[1].library


def test_leak_test_gives_advice_on_a_thread():
    stop = threading.Event()

    def start_ticker():
        threading.Thread(target=stop.wait, daemon=True).start()

    with pytest.raises(AssertionError) as caught, check_leaks(timeout=0):
        starter = threading.Thread(target=start_ticker)
        starter.start()
        starter.join()
    stop.set()
    (leak,) = caught.value.leaks
    assert leak.advice.startswith("Set the event once the thread that ")
    assert str(caught.value).endswith(f"\n  advice: {leak.advice}")
