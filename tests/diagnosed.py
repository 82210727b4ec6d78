"""Asks everything of a task that the diagnosis asks."""

from __future__ import annotations

import asyncio
import sys

from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import leaf_waiter, walk_await_chain
from opentelemetry.instrumentation.concurrency.diagnose.introspection.connections import belongs_to_connection
from opentelemetry.instrumentation.concurrency.diagnose.introspection.known_waits import coroutine_of
from opentelemetry.instrumentation.concurrency.diagnose.introspection.stalls import StallTracker
from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import wait_reason
from opentelemetry.instrumentation.concurrency.diagnose.ownership.creator_ended import creator_ended
from opentelemetry.instrumentation.concurrency.diagnose.ownership.owners import (
    is_owned,
    linked_concurrent_future,
    owning_tasks,
)
from opentelemetry.instrumentation.concurrency.diagnose.proof.wait_graph import awaited_tasks
from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import proof_on_demand
from opentelemetry.instrumentation.concurrency.diagnose.verdict.observation import observe


def diagnose(task):
    """Ask everything of a task that the diagnosis asks, and return how it waits and whether it is owned."""
    chain = walk_await_chain(coroutine_of(task), current_frames=sys._current_frames())
    reason = wait_reason(task, chain)
    # It holds the waiter.
    del chain
    owned = is_owned(task)
    owning_tasks(task), awaited_tasks(task), leaf_waiter(task), linked_concurrent_future(task)
    belongs_to_connection(task)
    creator_ended(None, None)
    observe("task", task)
    book = StallTracker()
    book.begin_scan()
    book.scan(1, 1, task, 1.0)
    book.end_scan()
    proof = proof_on_demand(iter([task]))
    return reason, owned, bool(proof.unwakeable)


async def wait_with(*held):
    await asyncio.get_running_loop().create_future()
    return held


def run(coro):
    loop = asyncio.new_event_loop()
    # Hostile callbacks raise when they are called at last, and what waits for no future is destroyed.
    loop.set_exception_handler(lambda *_: None)
    try:
        return loop.run_until_complete(coro)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
