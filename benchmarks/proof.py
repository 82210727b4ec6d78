"""What one proof costs: its time, and the longest stop of an event loop meanwhile, by suspects and size of the heap.

Half of the suspects are stuck for ever; of the other half each waits for a future that the program keeps. The frames of
all reach objects of their own, a hundred each. The loop counts how long each of its iterations takes, with the proof in
another thread as in production, and for as long without it.
"""

import asyncio
import gc
import sys
import threading
import time
from statistics import median

from opentelemetry.instrumentation.concurrency.diagnose.proof.wakeability import prove

SUSPECTS = (10, 1_000, 10_000)
HEAPS = (100_000, 1_000_000)
OBJECTS_EACH = 100
ROUNDS = 3


async def stuck():
    mine = [[number] for number in range(OBJECTS_EACH)]
    await asyncio.get_running_loop().create_future()
    del mine


async def served(waiter):
    mine = [[number] for number in range(OBJECTS_EACH)]
    await waiter
    del mine


def leave_time():
    time.sleep(0.0002)


async def longest_stop(during):
    """Return the longest iteration of the loop while ``during`` runs in a thread, in milliseconds."""
    thread = threading.Thread(target=during)
    thread.start()
    longest, last = 0.0, time.perf_counter()
    while thread.is_alive():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    thread.join()
    return 1000 * longest


async def measure(suspects, heap):
    others = [[number] for number in range(heap)]
    loop = asyncio.get_running_loop()
    waiters = [loop.create_future() for _ in range(suspects // 2)]
    tasks = [asyncio.create_task(served(waiter)) for waiter in waiters]
    tasks += [asyncio.create_task(stuck()) for _ in range(suspects - suspects // 2)]
    await asyncio.sleep(0)
    gc.collect()
    rows = []
    for _ in range(ROUNDS):
        proofs, seconds, cpu = [], [], []

        def run(proofs=proofs, seconds=seconds, cpu=cpu):
            began, began_cpu = time.perf_counter(), time.thread_time()
            proofs.append(prove(tasks, pause=leave_time))
            seconds.append(time.perf_counter() - began)
            cpu.append(time.thread_time() - began_cpu)

        stop = await longest_stop(run)
        idle = await longest_stop(lambda seconds=seconds: time.sleep(seconds[0]))
        proof = proofs.pop()
        rows.append((seconds[0], cpu[0], stop, idle, len(proof.stuck), proof.undecided))
        del proof
    for waiter in waiters:
        waiter.set_result(None)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    del others
    return rows


def main():
    print(f"One proof on {sys.version.split()[0]}; median of {ROUNDS}, the longest stop of all")
    print(f"{'suspects':>9}{'heap':>11}{'stuck':>7}{'seconds':>9}{'CPU s':>8}{'longest stop':>14}{'without it':>12}")
    failed = []
    for heap in HEAPS:
        for suspects in SUSPECTS:
            rows = asyncio.run(measure(suspects, heap))
            seconds, cpu, stops, idle, found, undecided = zip(*rows, strict=True)
            print(
                f"{suspects:>9,}{heap:>11,}{found[-1]:>7,}{median(seconds):>9.2f}{median(cpu):>8.2f}"
                f"{max(stops):>11.1f} ms{max(idle):>9.1f} ms  {undecided[-1]}",
                flush=True,
            )
            if set(found) != {suspects - suspects // 2} or any(undecided):
                failed.append(f"{suspects} suspects: {found} stuck, {undecided}")
    sys.exit("; ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
