"""Ten thousand tasks or coroutines that wait for each other: followed without recursion."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading

import pytest
from diagnosed import diagnose, run

from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import leaf_waiter
from opentelemetry.instrumentation.concurrency.diagnose.ownership.owners import (
    is_owned,
)
from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import proof_on_demand


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    # What cannot be cancelled ends here, and not in the middle of another test.
    gc.collect()


def test_ten_thousand_tasks_in_a_row():
    """Each awaits the next: followed without recursion; the proof tells of all, or says why it does not."""

    async def main():
        future = asyncio.get_running_loop().create_future()

        async def follow(awaited):
            with contextlib.suppress(asyncio.CancelledError):
                await awaited

        tasks = [asyncio.ensure_future(follow(future))]
        for _ in range(10_000):
            tasks.append(asyncio.ensure_future(follow(tasks[-1])))
        await asyncio.sleep(0)
        del future
        first, last = tasks[0], tasks[-1]
        assert is_owned(first)
        assert not is_owned(last)
        assert leaf_waiter(last) is first._fut_waiter
        proof = proof_on_demand(iter([last]))
        asyncio.Task.cancel(first)
        await asyncio.wait(tasks)
        return len(proof.unwakeable), proof.undecided

    proven, undecided = run(main())
    assert proven == 10_001 or undecided


@pytest.mark.large
def test_ten_thousand_tasks_in_a_circle():
    async def main():
        tasks = []

        async def follow(number):
            await tasks[(number + 1) % 10_000]

        tasks += [asyncio.ensure_future(follow(number)) for number in range(10_000)]
        await asyncio.sleep(0)
        owned = is_owned(tasks[0])
        leaf_waiter(tasks[0])
        proof = proof_on_demand(iter(tasks))
        for task in tasks:
            waiting = task._fut_waiter
            waiting.remove_done_callback(waiting._callbacks[0][0])
        return owned, [len(cycle) for cycle in proof.cycles], proof.undecided

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    try:
        owned, cycles, undecided = loop.run_until_complete(main())
    finally:
        loop.close()
    assert cycles == [10_000] or undecided
    assert owned in (True, False)


def test_ten_thousand_coroutines_in_each_other():
    """The proof and everything else see through to what the innermost awaits, in a thread with an ordinary stack."""

    async def nest(depth):
        if depth:
            await nest(depth - 1)
        else:
            await asyncio.get_running_loop().create_future()

    async def main():
        task = asyncio.ensure_future(nest(10_000))
        await asyncio.sleep(0)
        sys.setrecursionlimit(recursion_limit)
        found.append(await asyncio.get_running_loop().run_in_executor(None, diagnose, task))
        sys.setrecursionlimit(50_000)
        task.cancel()
        await asyncio.wait({task})

    found = []
    recursion_limit, stack_size = sys.getrecursionlimit(), threading.stack_size(512 * 1024 * 1024)
    sys.setrecursionlimit(50_000)
    thread = threading.Thread(target=run, args=(main(),))
    try:
        thread.start()
        threading.stack_size(stack_size)
        thread.join()
    finally:
        sys.setrecursionlimit(recursion_limit)
        threading.stack_size(stack_size)
    assert found == [("future", False, True)]
