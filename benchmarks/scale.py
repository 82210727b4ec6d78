"""What a living million costs: memory, scans, metric exports and garbage collection, bare and instrumented.

Each size runs twice in processes of its own, bare and instrumented with metrics and reports on (an in-memory reader
stands for the exporter), and does the same: create the tasks in one burst, scan, export, collect garbage twice. Every
task waits on a future of its own, created from one of a thousand lines. A loop that turns a thousand times a second
notes its longest stop, and a loop that never sleeps how many turns it keeps while scans run. Memory is what a further
task adds, between a quarter of the size and the whole, once in a burst and once with twenty scans meanwhile, as in a
service that fills over minutes: what is in use, and the resident memory, which holds besides what the C library has
free for the next request (``malloc_trim`` tells the two apart).
Numbers of tasks may be given as arguments.
"""

import asyncio
import ctypes
import datetime as dt
import gc
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

SIZES = (100_000, 1_000_000)
SITES = 1_000
STATUS = Path("/proc/self/status")
STARTS = "import asyncio\nasync def start(leaf, future):\n    return asyncio.create_task(leaf(future))\n"


def give_back():
    """Make the C library give back what it has free, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def memory():
    """Return the resident memory of the process in bytes."""
    return next(int(line.split()[1]) * 1024 for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))


class Watched:
    """A loop's turns: how many, and the longest time between two, while a piece of work runs in another thread."""

    def __init__(self, pause):
        self._pause = pause

    async def during(self, work):
        """Run ``work`` in a thread; return turns a second and the longest stop in seconds."""
        # A full collection is due now and then in every process; here it would fall into one piece of work by chance.
        gc.collect()
        await asyncio.sleep(0.01)
        turns, longest, began = 0, 0.0, time.perf_counter()
        running = asyncio.create_task(asyncio.to_thread(work))
        last = began
        while not running.done():
            await asyncio.sleep(self._pause)
            now = time.perf_counter()
            longest = max(longest, now - last - self._pause)
            last, turns = now, turns + 1
        await running
        return turns / (last - began), longest


async def leaf(future):
    await future


async def create(number, between=None):
    """Return tasks that wait for ever, from many lines; call ``between`` twenty times meanwhile."""
    loop, starts = asyncio.get_running_loop(), []
    for site in range(SITES):
        scope = {"__name__": f"shop.site{site}"}
        exec(compile(STARTS, f"/app/shop/site{site}.py", "exec"), scope)
        starts.append(scope["start"])
    held = []
    for place in range(number):
        held.append(await starts[place % SITES](leaf, loop.create_future()))
        if between is not None and place % (number // 20) == 0:
            between()
    await asyncio.sleep(0)
    return held


def instrumented():
    """Turn the instrumentation on; return the functions that scan, export, and tell the share of scanning."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
    from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

    reader = InMemoryMetricReader()
    ConcurrencyInstrumentor().instrument(meter_provider=MeterProvider(metric_readers=[reader]), scan_interval=1.0)
    census = current_installation().census

    def scans():
        # As the census' own thread does it, without its waiting: it keeps to one percent of a core.
        census.scan()
        census.scan()

    def used():
        """Return the seconds of CPU time that the census' thread has taken."""
        fields = Path(f"/proc/self/task/{census._thread.native_id}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def share(seconds):
        """Return the share of a core that the census' thread takes over some seconds, proofs left out."""
        proofs = current_installation().diagnosis.proofs
        began, before, proven = time.monotonic(), used(), proofs.spent_s
        time.sleep(seconds)
        return (used() - before - (proofs.spent_s - proven)) / (time.monotonic() - began)

    def export():
        assert reader.get_metrics_data() is not None

    return scans, export, share


async def measure(number, scans, export, share):
    """Return what was seen, by name."""
    seen = {}
    held = await create(number)
    # The census' own first scan may be under way, and would hurry for the one that is measured.
    await asyncio.to_thread(scans)
    quick, busy = Watched(0.001), Watched(0)
    before, _ = await busy.during(lambda: time.sleep(1))
    seen["scan turns"], _ = await busy.during(scans)
    after, _ = await busy.during(lambda: time.sleep(1))
    seen["idle turns"] = max(before, after)
    _, seen["scan stop"] = await quick.during(scans)
    _, seen["export stop"] = await quick.during(export)
    began = time.perf_counter()
    gc.collect()
    seen["gc"] = time.perf_counter() - began
    began = time.perf_counter()
    gc.collect()
    seen["gc"] = min(seen["gc"], time.perf_counter() - began)
    # A scan of a million takes a second of CPU time, and the next one comes a hundred seconds later.
    seen["share"] = await asyncio.to_thread(share, max(180, number // 2_500)) if share else 0.0
    seen["tasks"] = len(held)
    return seen


async def fill(number, scans, gradually):
    """Return the memory that so many tasks take, in bytes: resident, and in use."""
    before = memory()
    held = await create(number, scans if gradually else None)
    scans()
    gc.collect()
    resident = memory() - before
    give_back()
    return {"resident": resident, "in use": memory() - before, "tasks": len(held)}


def child(number, kind, what):
    scans = export = lambda: None
    share = None
    if kind == "instrumented":
        scans, export, share = instrumented()
    loop = asyncio.new_event_loop()
    if what != "all":
        print(json.dumps(loop.run_until_complete(fill(number, scans, what == "gradually"))), flush=True)
        os._exit(0)
    if kind == "bare":
        scans = export = lambda: time.sleep(1)
    seen = loop.run_until_complete(measure(number, scans, export, share))
    print(json.dumps(seen), flush=True)
    # Ending a million tasks in order takes longer than all of this.
    os._exit(0)


def run(number, kind, what="all"):
    command = [sys.executable, __file__, "child", str(number), kind, what]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=1200).stdout)


def bytes_a_task(number, what):
    """Return what a further task adds to the memory, above bare: in use, and resident."""
    runs = {kind: (run(number, kind, what), run(number // 4, kind, what)) for kind in ("bare", "instrumented")}

    def slope(kind, memory):
        whole, quarter = runs[kind]
        return (whole[memory] - quarter[memory]) / (whole["tasks"] - quarter["tasks"])

    return [slope("instrumented", memory) - slope("bare", memory) for memory in ("in use", "resident")]


def main(sizes):
    print(f"CPython {platform.python_version()}, {platform.machine()}, {dt.datetime.now(dt.timezone.utc).date()}")
    print("    tasks  what                                             bare   instrumented   budget")
    for number in sizes:
        bare, ours = run(number, "bare"), run(number, "instrumented")
        assert bare["tasks"] == ours["tasks"] == number
        stop = 5 if number <= 100_000 else 10
        (slow_use, slow_resident), (burst_use, burst_resident) = (
            bytes_a_task(number, what) for what in ("gradually", "burst")
        )
        rows = (
            ("bytes in use a task, above bare", "", f"{slow_use:.0f}", "200"),
            ("the same, created in one burst", "", f"{burst_use:.0f}", ""),
            ("resident bytes a task, above bare", "", f"{slow_resident:.0f}", ""),
            ("the same, created in one burst", "", f"{burst_resident:.0f}", ""),
            ("longest stop of the loop over two scans", f"{bare['scan stop'] * 1e3:.1f} ms",
             f"{ours['scan stop'] * 1e3:.1f} ms", f"{stop} ms"),
            ("longest stop of the loop over an export", f"{bare['export stop'] * 1e3:.1f} ms",
             f"{ours['export stop'] * 1e3:.1f} ms", f"{stop} ms"),
            ("turns that a busy loop keeps during scans", f"{bare['scan turns'] / bare['idle turns']:.0%}",
             f"{ours['scan turns'] / ours['idle turns']:.0%}", "80%"),
            ("share of a core that scanning takes", "", f"{ours['share']:.2%}", "1%"),
            ("a full garbage collection", f"{bare['gc']:.2f} s",
             f"{ours['gc']:.2f} s ({ours['gc'] / bare['gc']:.2f} x)", "1.50 x"),
        )  # fmt: skip
        for what, left, right, budget in rows:
            print(f"{number:>9,}  {what:<44} {left:>8} {right:>16} {budget:>8}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(int(sys.argv[2]), sys.argv[3], sys.argv[4])
    elif not STATUS.exists():
        sys.exit("This benchmark reads the memory of the process from /proc, which this system does not have.")
    else:
        main([int(argument.replace("_", "")) for argument in sys.argv[1:]] or SIZES)
