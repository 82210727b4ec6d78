"""Asks everything of a task that the diagnosis asks."""

from __future__ import annotations

import asyncio
import sys

from opentelemetry.instrumentation.concurrency.diagnose.await_chain import leaf_waiter, walk_await_chain
from opentelemetry.instrumentation.concurrency.diagnose.connections import belongs_to_connection
from opentelemetry.instrumentation.concurrency.diagnose.creator_ended import creator_ended
from opentelemetry.instrumentation.concurrency.diagnose.known_waits import coroutine_of
from opentelemetry.instrumentation.concurrency.diagnose.ownership import (
    is_owned,
    linked_concurrent_future,
    owning_tasks,
)
from opentelemetry.instrumentation.concurrency.diagnose.stalls import StallBook
from opentelemetry.instrumentation.concurrency.diagnose.verdict import look_at
from opentelemetry.instrumentation.concurrency.diagnose.wait_graph import awaited_tasks
from opentelemetry.instrumentation.concurrency.diagnose.wait_reason import wait_reason
from opentelemetry.instrumentation.concurrency.diagnose.wakeability import proof_on_demand


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
    look_at("task", task)
    book = StallBook()
    book.begin_look()
    book.look(1, 1, task, 1.0)
    book.end_look()
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
