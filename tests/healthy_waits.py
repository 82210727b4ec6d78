"""What the tests of the proof share: waits that are healthy, each with the way to wake it."""

import asyncio
import gc
import sys
import types
from weakref import ref

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import alive, proof_on_demand

LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop"]
registry = types.SimpleNamespace()
"""Holds what a wait keeps in a module."""


class Waits(dict):
    """The healthy waits of a module, by name."""

    def healthy(self, wait):
        """Register a wait: given ``start(coro)``, it returns how to wake what it started, or None if it wakes alone."""
        self[wait.__name__] = wait
        return wait


def new_future():
    return asyncio.get_running_loop().create_future()


async def on(future):
    return await future


def set_result(future):
    if not future.done():
        future.set_result(None)


def forget_registry():
    for found in registry.__dict__.pop("sockets", ()):
        found.close()
    registry.__dict__.clear()


async def prove_then_wake(wait, *, collect=True, one_by_one=False, decides=True):
    """Start a wait, prove over all tasks, wake it for real, and return what was proven.

    Args:
        wait: The wait.
        collect: Whether the collector ends, before the proof, what nobody holds.
        one_by_one: Whether each task has a proof of its own, as if the others had not been chosen.
        decides: Whether the proof must be able to decide about all.
    """
    tasks = []

    def start(coro):
        tasks.append(asyncio.ensure_future(coro))
        return tasks[-1]

    wake = wait(start)
    for _ in range(5):
        await asyncio.sleep(0)
    if collect:
        gc.collect()
    proofs = list(_proofs_over_each() if one_by_one else [proof_on_demand(iter(asyncio.all_tasks()))])
    proven = [reference().get_coro().__qualname__ for proof in proofs for reference in proof.unwakeable]
    if wake is not None:
        woken = wake()
        if asyncio.iscoroutine(woken):
            await woken
    # That it wakes is the control: a wait that never ends would be no healthy one.
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert not decides or all(proof.undecided == "" for proof in proofs)
    return proven


def _proofs_over_each():
    # No variable may hold a task.
    references = list(map(ref, asyncio.all_tasks()))
    return (proof_on_demand(alive([reference])) for reference in references)


def run_on(kind, coro):
    """Run a coroutine on a new loop of a kind and return its result."""
    module = pytest.importorskip("uvloop") if kind == "uvloop" else asyncio
    loop = module.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(coro)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


def newest(tasks):
    return max(tasks, key=lambda task: int(task.get_name().rpartition("-")[2]))


async def end(tasks):
    for task in tasks:
        # Tasks that await each other cannot be cancelled: end the futures that they are.
        try:
            task.cancel()
        except RecursionError:
            waiting = task._fut_waiter
            task._callbacks and waiting.remove_done_callback(task._callbacks[0][0])
    await asyncio.wait(
        {task for task in tasks if not task.done()} or {asyncio.ensure_future(asyncio.sleep(0))}, timeout=0.2
    )


def proven_among(make, kind="asyncio", **options):
    """Start what ``make(start)`` starts and return the proof over all tasks, and how many were started."""

    async def main():
        held = set()

        def start(coro):
            held.add(asyncio.ensure_future(coro))
            return newest(held)

        make(start)
        for _ in range(10):
            await asyncio.sleep(0)
        gc.collect()
        proof = proof_on_demand(iter(asyncio.all_tasks()), **options)
        await end(held)
        return proof, len(held)

    return run_on(kind, main())
