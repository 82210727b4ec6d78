"""What it costs to measure a leak, and how near the result is to the truth: ``python benchmarks/impact.py``.

Each leaking task holds a payload of its own, in several objects and half of it in a cycle, and all hold 5 MB that the
application holds as well. A million other objects stand beside. The loop counts how long each of its iterations takes,
with the measurement in another thread as in production, and for as long without it. The holders are sought in the same
process: the set that keeps the tasks, and the dictionary with what they wait for.
"""

import asyncio
import gc
import os
import sys
import time
from statistics import median
from weakref import ref

from proof import leave_time, longest_stop

from opentelemetry.instrumentation.concurrency.diagnose.impact.holders import find_holders
from opentelemetry.instrumentation.concurrency.diagnose.impact.memory import measure_memory
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Cut

LEAKS = (400, 5_000)
PAYLOAD = 100_000
BALLAST = 1_000_000
SHARED = bytearray(5_000_000)
ROUNDS = 5

running = set()
others = []


class Hub:
    def __init__(self):
        self.queues = {}


class Connection:
    def __init__(self):
        self.buffer = bytearray(PAYLOAD // 2)
        self.protocol = Protocol(self)


class Protocol:
    def __init__(self, connection):
        self.connection = connection


hub = Hub()


async def relay(queue, shared):
    connection = Connection()
    rows = [bytes(PAYLOAD // 20) for _ in range(10)]
    await queue.get()
    del connection, rows, shared


async def measure(leaks):
    loop = asyncio.get_running_loop()
    for number in range(leaks):
        queue = hub.queues[f"user {number}"] = asyncio.Queue()
        running.add(asyncio.create_task(relay(queue, SHARED)))
    await asyncio.sleep(0)
    gc.collect()
    references = list(map(ref, running))
    main = [ref(asyncio.current_task())]
    cut = Cut([loop])
    rows = []
    for _ in range(ROUNDS):
        results = []

        def run(results=results):
            began = time.perf_counter()
            names, _ = find_holders([references], (each() for each in main), [loop], {"__main__"}, cut, leave_time)
            holder_s = time.perf_counter() - began
            began, cpu = time.perf_counter(), time.thread_time()
            memory = measure_memory(references, leaks, cut, leave_time)
            results.append((memory, time.perf_counter() - began, time.thread_time() - cpu, names[0], holder_s))

        stop = await longest_stop(run)
        memory, seconds, cpu_s, names, holder_s = results.pop()
        idle = await longest_stop(lambda seconds=seconds: time.sleep(seconds))
        rows.append((seconds, cpu_s, stop, idle, holder_s, memory, names))
    tasks = list(running)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    running.clear()
    hub.queues.clear()
    seconds, cpu_s, stops, idle, holders_s, memories, names = zip(*rows, strict=True)
    return min(seconds), min(cpu_s), median(stops), median(idle), min(holders_s), memories[-1], names[-1]


def main():
    others.extend([number] for number in range(BALLAST))
    priority = ", with real-time priority" if os.sched_getscheduler(0) == os.SCHED_FIFO else ""
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores{priority}"
    print(f"Leaks that hold {PAYLOAD / 1e3:.0f} kB per task, on {sys.version.split()[0]}; {load}")
    print(f"Times: best of {ROUNDS}. Longest stop of the loop: median of {ROUNDS}.\n")
    print("leaks  true MB  found MB  error %   took s    CPU s  stop ms  stop without ms  holders ms")
    held = set()
    for leaks in LEAKS:
        seconds, cpu_s, stop, idle, holder_s, memory, names = asyncio.run(measure(leaks))
        true = leaks * PAYLOAD
        error = 100 * (memory.bytes - true) / true
        print(
            f"{leaks:5} {true / 1e6:8.1f} {memory.bytes / 1e6:9.1f} {error:8.1f} {seconds:8.3f} {cpu_s:8.3f} "
            f"{stop:8.1f} {idle:16.1f} {1000 * holder_s:11.1f}"
        )
        held.add(f"held by {names.held_by}, waits on {names.waits_on}")
    print("\n" + "\n".join(sorted(held)))


if __name__ == "__main__":
    main()
