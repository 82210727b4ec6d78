"""What it costs to look: every form of the profile at 100,000 and 1,000,000 living tasks.

Measured in one process a size: the time in a thread of its own, the memory above what the tasks take (the peak of the
process, reset before each form), the longest stop of an event loop that would run a thousand times a second, and the
size of what is written. Numbers of tasks may be given as arguments.
"""

import asyncio
import gc
import multiprocessing
import os
import sys
import time
from pathlib import Path

SIZES = (100_000, 1_000_000)
SITES = 50
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
STARTS = "import asyncio\nasync def start(leaf, future):\n    return asyncio.create_task(leaf(future))\n"


class Sink:
    """Counts bytes and keeps none."""

    def __init__(self):
        self.size = 0

    def write(self, data):
        memoryview(data)
        self.size += len(data)


def forms():
    """Yield name and function of each form."""
    from opentelemetry.instrumentation.concurrency import take_snapshot, write_profile
    from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
    from opentelemetry.instrumentation.concurrency.live_profile import write_live_snapshot

    yield "grouped text", lambda stream: write_profile("task", stream, 1)
    yield "protobuf", lambda stream: write_profile("task", stream, 0)
    yield "full text", lambda stream: write_profile("task", stream, 2)
    yield "JSON", lambda stream: write_live_snapshot(current_installation().live, stream)
    yield "leaks, with proof", lambda stream: write_profile("taskleak", stream, 1)
    yield "take_snapshot()", lambda _: take_snapshot()


def memory(name):
    """Return a line of the process' status in MB."""
    return next(int(line.split()[1]) / 1024 for line in STATUS.read_text().splitlines() if line.startswith(name))


async def leaf(future):
    await middle(future)


async def middle(future):
    await future


async def watch(stops):
    """Note the longest time between two turns of the loop."""
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        stops[0] = max(stops[0], now - last - 0.001)
        last = now


async def settled():
    """Scan twice, as the census' own thread would in a minute or two: it keeps to one percent of a core."""
    from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

    for _ in range(2):
        await asyncio.to_thread(current_installation().census.scan)


async def measure(number):
    loop = asyncio.get_running_loop()
    starts = []
    for site in range(SITES):
        scope = {"__name__": f"shop.site{site}"}
        exec(compile(STARTS, f"/app/shop/site{site}.py", "exec"), scope)
        starts.append(scope["start"])
    futures = [loop.create_future() for _ in range(number)]
    held = [await starts[place % SITES](leaf, future) for place, future in enumerate(futures)]
    await asyncio.sleep(0)
    stops = [0.0]
    watcher = asyncio.create_task(watch(stops))
    await settled()
    for name, write in forms():
        sink = Sink()
        # A full collection is due now and then in every process; here it would fall into one form by chance.
        gc.collect()
        await asyncio.sleep(0.01)
        if CLEAR.exists():
            CLEAR.write_text("5")
        before, stops[0] = memory("VmRSS"), 0.0
        began = time.perf_counter()
        await asyncio.to_thread(write, sink)
        seconds, peak = time.perf_counter() - began, memory("VmHWM") - before
        print(
            f"{number:>9,}  {name:<18} {seconds:>7.2f} s  {peak:>6.0f} MB  {stops[0] * 1000:>6.1f} ms"
            f"  {sink.size / 1e6:>8.2f} MB",
            flush=True,
        )
    print(f"{number:>9,}  the tasks themselves take {memory('VmRSS'):.0f} MB", flush=True)
    watcher.cancel()
    del held


def run(number):
    """Measure in a fresh process."""
    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

    ConcurrencyInstrumentor().instrument(reports="none", metrics="none")
    asyncio.new_event_loop().run_until_complete(measure(number))
    # Ending a million tasks in order takes longer than all of this.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    if not STATUS.exists():
        sys.exit("This benchmark reads the memory of the process from /proc, which this system does not have.")
    print("    tasks  form                  time   memory   loop stop   written")
    for size in [int(argument.replace("_", "")) for argument in sys.argv[1:]] or SIZES:
        process = multiprocessing.get_context("spawn").Process(target=run, args=(size,))
        process.start()
        process.join()
