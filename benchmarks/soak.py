"""Ten minutes of 30,000 short tasks a second from 50,000 lines, and 100,000 threads: is anything the worse?

A service creates tasks that end at once, at a steady pace and from one line after the other, and meanwhile starts and
joins threads; forty tasks are left behind on the way. Metrics are read every ten seconds, as an exporter would. Printed
each minute: how many were created and how many of them the metrics say, series, the process' memory, the longest time
the loop was kept from turning, and the share of a core that our thread takes. Exit status 1 if a count is wrong, the
series are not bounded, or the memory grows after the fifth minute: the growth rule looks back over five. The minutes
may be given as argument.
"""

import asyncio
import datetime as dt
import gc
import os
import platform
import sys
import threading
import time
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

MINUTES, TASKS_A_SECOND, THREADS, SITES, LEFT = 10, 30_000, 100_000, 50_000, 40
BATCHES_A_SECOND, A_FILE, MAX_SITES = 100, 100, 100
GROWTH_ALLOWED_MB, LOOKS_BACK = 10, 5
ROW = "{:>6}  {:>12}  {:>12}  {:>9}  {:>6}  {:>5}  {:>7}  {:>12}  {:>6}"


def starters():
    """Return functions that create a task, each at a line of its own."""
    found = []
    for number in range(0, SITES, A_FILE):
        source = ["import asyncio"]
        source += [f"def start{line}(loop, work): return loop.create_task(work())" for line in range(A_FILE)]
        scope = {"__name__": f"shop.site{number}"}
        exec(compile("\n".join(source), f"/app/shop/site{number}.py", "exec"), scope)
        found += [scope[f"start{line}"] for line in range(A_FILE)]
    return found


class Seen:
    """What the metrics say, read every ten seconds, and what the process takes."""

    def __init__(self, reader, census):
        self._reader, self._census, self._stop = reader, census, threading.Event()
        self.longest_stop = 0.0
        self._thread = threading.Thread(target=self._read_on)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _read_on(self):
        while not self._stop.wait(10):
            self.points()

    def points(self):
        """Return the sum and the number of series of each metric."""
        found = {}
        for resource in self._reader.get_metrics_data().resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = metric.data.data_points
                    found[metric.name] = sum(getattr(point, "value", 0) for point in points), len(points)
        return found

    def points_now(self):
        """Return the same after one more scan: metrics are as of the last one."""
        self._census.scan()
        return self.points()

    def used_s(self):
        """Return the seconds of CPU time that our thread has taken."""
        fields = Path(f"/proc/self/task/{self._census._thread.native_id}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def memory_mb():
    """Return the resident memory of the process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def work():
    """End at once."""


def start_threads(number, seconds, stop):
    """Start and join so many threads, evenly spread."""
    began = time.monotonic()
    for done in range(number):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        if stop.wait(max(0.0, began + seconds * done / number - time.monotonic())):
            return


async def churn(seconds, starts, seen, first):
    """Create tasks for so many seconds; return how many."""
    loop, created, total = asyncio.get_running_loop(), first, int(seconds * TASKS_A_SECOND)
    began = time.perf_counter()
    for batch in range(int(seconds * BATCHES_A_SECOND)):
        for _ in range(TASKS_A_SECOND // BATCHES_A_SECOND):
            starts[created % SITES](loop, work)
            created += 1
        due = began + (batch + 1) / BATCHES_A_SECOND
        before = time.perf_counter()
        pause = max(0.0, due - before)
        await asyncio.sleep(pause)
        seen.longest_stop = max(seen.longest_stop, time.perf_counter() - before - pause)
    assert created - first == total
    return total


async def leave_behind():
    """Create tasks that wait for ever."""
    loop = asyncio.get_running_loop()
    return [loop.create_task(asyncio.Event().wait()) for _ in range(LEFT)]


async def run(minutes, seen, starts):
    created, well, settled = 0, True, None
    held, threads = await leave_behind(), THREADS * minutes // MINUTES
    stop = threading.Event()
    spinning = threading.Thread(target=start_threads, args=(threads, minutes * 60 * 0.98, stop))
    spinning.start()
    try:
        for minute in range(1, minutes + 1):
            used, began, seen.longest_stop = seen.used_s(), time.monotonic(), 0.0
            created += await churn(60, starts, seen, created)
            share = (seen.used_s() - used) / (time.monotonic() - began)
            # As much as a collection that comes sooner or later would free.
            gc.collect()
            points, memory = seen.points_now(), memory_mb()
            settled = memory if settled is None or minute <= LOOKS_BACK else settled
            said, series = points["python.asyncio.task.created"]
            # The main task, the loop's own and the forty: what was created besides.
            others = said - created
            right = LEFT <= others <= LEFT + 5 and points["python.asyncio.task.count"][0] >= LEFT
            bounded = series <= MAX_SITES + 1 and memory <= settled + GROWTH_ALLOWED_MB
            well = well and right and bounded
            print(
                ROW.format(
                    minute,
                    f"{created:,}",
                    f"{said - others:,}" if right else f"{said:,} !",
                    f"{points['python.thread.created'][0]:,}",
                    series,
                    points["python.concurrency.site.count"][0],
                    f"{memory:.0f}",
                    f"{seen.longest_stop * 1e3:.0f} ms",
                    f"{share:.2%}",
                ),
                flush=True,
            )
        spinning.join()
        well = well and seen.points_now()["python.thread.created"][0] >= threads
    finally:
        stop.set()
    for each in held:
        each.cancel()
    return well


def main(minutes):
    print(f"CPython {platform.python_version()}, {platform.machine()}, {dt.datetime.now(dt.timezone.utc).date()}")
    print(ROW.format("minute", "tasks", "counted", "threads", "series", "sites", "MB", "longest stop", "share"))
    starts, reader = starters(), InMemoryMetricReader()
    instrumentor = ConcurrencyInstrumentor()
    instrumentor.instrument(meter_provider=MeterProvider(metric_readers=[reader]), max_sites=MAX_SITES, reports="none")
    with Seen(reader, current_installation().census) as seen:
        well = asyncio.run(run(minutes, seen, starts))
    print("nothing lost, nothing grown" if well else "SOMETHING IS WRONG, see above")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else MINUTES))
