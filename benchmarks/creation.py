"""What recording costs: create + await a no-op task, and start + join a thread, bare and instrumented side by side.

Blocks alternate in one process; the ratio is that of the fastest blocks, so that a noisy machine hits both alike.
One untimed creation and a pause come before each block: the first creation of a process meets its line and starts the
threads of the census and of the command line, which must not be busy with their own start meanwhile. One idle thread
lives in both, as the exporters of the SDK do in every process that has it: with a second thread alone, the C library
makes everything 3 % slower. Threads start on one core: on several, what the system chooses for each new one weighs up
to half of all, at random.
"""

import asyncio
import contextlib
import datetime as dt
import gc
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

BLOCKS = 30
TASKS = 5_000
THREADS = 200
SETTLE_S = 0.05


async def no_op() -> None:
    pass


async def create_and_await(number: int = TASKS) -> None:
    for _ in range(number):
        await asyncio.create_task(no_op())


def tasks_on(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> float:
    loop = new_loop()
    try:
        loop.run_until_complete(create_and_await(1))
        time.sleep(SETTLE_S)
        began = time.perf_counter()
        loop.run_until_complete(create_and_await())
        return (time.perf_counter() - began) / TASKS
    finally:
        loop.close()


def start_and_join() -> float:
    with one_core():
        began = time.perf_counter()
        for number in range(-1, THREADS):
            if number == 0:
                time.sleep(SETTLE_S)
                began = time.perf_counter()
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
        return (time.perf_counter() - began) / THREADS


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and what it starts, on one core where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


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
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print(f"CPython {platform.python_version()}, {platform.machine()}, {dt.datetime.now(dt.timezone.utc).date()}")
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
