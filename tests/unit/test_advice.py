"""Which advice a leak gets, and when there is none."""

import asyncio
import re
from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.impact.advice import (
    PATTERNS,
    LeakFacts,
    advice_on,
    keeps_lock,
    pattern_of,
)
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Cut

PAGE = Path(__file__).parents[2] / "docs" / "reading-a-report.md"


def facts(verdict="unwakeable", wait_reason="queue.get", **more):
    return LeakFacts(verdict, wait_reason, "shop.query", **more)


@pytest.mark.parametrize(
    ("leak", "begins"),
    [
        (facts(cancel_requests=1), "Let CancelledError pass"),
        (facts(wait_reason="task", is_in_cycle=True), "Let one of these tasks end"),
        (facts(wait_reason="lock.acquire"), "Release the lock on every path"),
        (facts(wait_reason="semaphore.acquire", in_with=True), "Release the lock on every path"),
        (facts(wait_reason="semaphore.acquire"), "Cancel the task when shop.query, which started it, is done, or rel"),
        (facts(keeps_lock=True), "Release the lock before this wait"),
        (facts(wait_reason="queue.put"), "Put no more items"),
        (facts(wait_reason="queue.join"), "Take every item"),
        (facts(), "Cancel the task when shop.query, which started it, is done, or put"),
        (facts(wait_reason="condition.wait"), "Notify on every path"),
        (facts(wait_reason="event.wait"), "Complete what it waits for"),
        (facts("orphaned", waits_on="shop.hub.queues[…]"), "Cancel the task when shop.query"),
        (facts("orphaned", "sleep"), "Cancel the task when shop.query, which started it, is done."),
        (facts("orphaned", "io.read"), "Close the connection when shop.query"),
        (facts("growing", "lock.acquire"), "Release the lock on every path"),
        (facts("growing", "queue.put"), "Start no more of these tasks"),
        (facts("growing"), "Complete what these tasks wait for"),
    ],
)
def test_advice_on_pattern_is_one_sentence(leak, begins):
    advice = advice_on(leak)
    assert advice.startswith(begins) and advice.endswith(".") and "{" not in advice and len(advice) <= 220


@pytest.mark.parametrize(
    "leak",
    [
        facts("growing", "task"),
        facts("growing", "sleep"),
        facts("growing", "io.read"),
        facts("orphaned"),
        facts("orphaned", "event.wait", waits_on="shop.store.draining"),
        facts("orphaned", "lock.acquire"),
        facts("orphaned", "event.wait", keeps_lock=True),
        facts(wait_reason="task"),
        facts(wait_reason="unknown"),
    ],
)
def test_advice_on_uncertain_leak_is_empty(leak):
    assert advice_on(leak) == ""


def test_advice_on_odd_names_keeps_them():
    leak = LeakFacts("orphaned", "queue.get", "shop.{waits}", "shop.{creator}[…]")
    assert "shop.{waits}" in advice_on(leak) and "shop.{creator}[…]" in advice_on(leak)


def test_every_pattern_stands_on_the_page():
    of_tasks, _, _ = PAGE.read_text().partition("Threads have a table of their own")
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", of_tasks, re.MULTILINE)
    assert [row for row in rows if row[0] in {pattern.when for pattern in PATTERNS}] == [
        (pattern.when, re.sub(r"\{(\w+)\}", r"*\1*", pattern.text)) for pattern in PATTERNS
    ]


def test_pattern_of_is_the_first_that_fits():
    assert pattern_of(facts(cancel_requests=1, is_in_cycle=True)) is PATTERNS[0]


class Store:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.ready = asyncio.Event()

    async def hold(self):
        async with self.lock:
            await self.ready.wait()

    async def want(self):
        async with self.lock:
            pass


def test_keeps_lock_needs_a_leaked_task_that_waits_for_it():
    async def main():
        store = Store()
        holder, other = asyncio.create_task(store.hold()), asyncio.create_task(store.want())
        await asyncio.sleep(0)
        cut = Cut([asyncio.get_running_loop()])
        found = [keeps_lock(holder, leaked, cut) for leaked in ({id(other)}, set())]
        found.append(keeps_lock(other, {id(holder), id(other)}, cut))
        for task in (other, holder):
            task.cancel()
        await asyncio.wait([holder, other])
        return found

    assert asyncio.run(main()) == [True, False, False]
