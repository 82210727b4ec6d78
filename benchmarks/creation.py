"""What recording costs: create + await a no-op task, and start + join a thread, bare and instrumented side by side.

Blocks alternate in one process; the ratio is that of the fastest blocks, so that a noisy machine hits both alike.
"""

import asyncio
import gc
import platform
import sys
import threading
import time
from collections.abc import Callable

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

BLOCKS = 30
TASKS = 5_000
THREADS = 200


async def no_op() -> None:
    pass


async def create_and_await() -> None:
    for _ in range(TASKS):
        await asyncio.create_task(no_op())


def tasks_on(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> float:
    loop = new_loop()
    try:
        began = time.perf_counter()
        loop.run_until_complete(create_and_await())
        return (time.perf_counter() - began) / TASKS
    finally:
        loop.close()


def start_and_join() -> float:
    began = time.perf_counter()
    for _ in range(THREADS):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    return (time.perf_counter() - began) / THREADS


def compare(name: str, block: Callable[[], float]) -> None:
    bare, ours = [], []
    instrumentor = ConcurrencyInstrumentor()
    for _ in range(BLOCKS):
        bare.append(block())
        instrumentor.instrument(metrics="none", reports="none")
        ours.append(block())
        instrumentor.uninstrument()
    print(f"{name:<28} {min(bare) * 1e6:9.2f} {min(ours) * 1e6:13.2f} {min(ours) / min(bare):7.3f}")


def full_collections(instrumented: bool) -> int:
    heap = [[number] for number in range(300_000)]
    if instrumented:
        ConcurrencyInstrumentor().instrument(metrics="none", reports="none")
    gc.collect()
    before = gc.get_stats()[2]["collections"]
    for _ in range(300_000 // TASKS):
        asyncio.run(create_and_await())
    spent = gc.get_stats()[2]["collections"] - before
    if instrumented:
        ConcurrencyInstrumentor().uninstrument()
    assert heap
    return spent


def main() -> None:
    print(f"CPython {platform.python_version()}, {platform.machine()}")
    print(f"{'':<28} {'bare, us':>9} {'recorded, us':>13} {'ratio':>7}")
    compare("create + await a task", lambda: tasks_on(asyncio.new_event_loop))
    try:
        import uvloop
    except ImportError:
        print("uvloop is not installed: skipped")
    else:
        compare("the same on uvloop", lambda: tasks_on(uvloop.new_event_loop))
    compare("start + join a thread", start_and_join)
    bare, ours = full_collections(False), full_collections(True)
    print(f"full garbage collections in 300,000 tasks: bare {bare}, recorded {ours}")
    if ours > bare:
        sys.exit("recording causes full garbage collections")


if __name__ == "__main__":
    main()
