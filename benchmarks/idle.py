"""What a process that does nothing pays: wake-ups and CPU time per second, bare and instrumented.

Each number is of a process of its own, without an SDK. Wake-ups are the voluntary context switches of all its threads,
as Linux counts them. Needs /proc.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPES = {"no tasks": 0, "1,000 sleeping tasks": 1_000, "100,000 sleeping tasks": 100_000}
SETTLE_S = 420.0
"""The first scans enter everything and prove it; idle scans begin once age changes no verdict any more."""
SECONDS = 1_860.0
"""Longer than the longest gap between two scans, so that at least one is counted."""


def serve(state: str, tasks: int) -> None:
    """Wait for ever among so many sleeping tasks."""
    if state == "recorded":
        from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

        ConcurrencyInstrumentor().instrument()

    async def main() -> None:
        for_ever = asyncio.get_running_loop().create_future()
        held = [asyncio.create_task(asyncio.sleep(1e6)) for _ in range(tasks)]
        print("ready", flush=True)
        await asyncio.gather(for_ever, *held)

    asyncio.run(main())


def started(state: str, tasks: int) -> subprocess.Popen[bytes]:
    """Start one process and wait until all its tasks sleep."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", state, str(tasks)],
        stdout=subprocess.PIPE,
        # Commands that query all processes of the machine must not reach this one.
        env={**os.environ, "OTEL_PYTHON_CONCURRENCY_AGENT_DIR": tempfile.gettempdir() + f"/idle-{os.getpid()}"},
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def measured(rows: list[tuple[str, int]], seconds: float, settle_s: float) -> list[tuple[float, float]]:
    """Return wake-ups and milliseconds of CPU time per second of each process; all of them run at the same time."""
    processes = []
    try:
        for state, tasks in rows:
            processes.append(started(state, tasks))
        time.sleep(settle_s)
        before, began = [counted(each.pid) for each in processes], time.monotonic()
        time.sleep(seconds)
        after, elapsed = [counted(each.pid) for each in processes], time.monotonic() - began
    finally:
        for each in processes:
            each.kill()
            each.wait()
    return [
        ((new[0] - old[0]) / elapsed, 1000 * (new[1] - old[1]) / elapsed)
        for old, new in zip(before, after, strict=True)
    ]


def counted(pid: int) -> tuple[int, float]:
    """Return the wake-ups of all threads of a process so far, and its seconds of CPU time."""
    wakeups, nanoseconds = 0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        wakeups += int(status.partition("voluntary_ctxt_switches:")[2].split()[0])
        nanoseconds += int((task / "schedstat").read_text().split()[0])
    return wakeups, nanoseconds / 1e9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--settle", type=float, default=SETTLE_S)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], int(options.serve[1]))
        return
    load = os.getloadavg()[0]
    print(f"CPython {sys.version.split()[0]}, {options.seconds:g} s each, load {load:.1f} on {os.cpu_count()} cores")
    print(f"{'':24}{'wake-ups per second':>26}{'CPU time, ms per second':>28}")
    print(f"{'':24}{'bare':>13}{'recorded':>13}{'bare':>14}{'recorded':>14}")
    rows = [(state, tasks) for tasks in SHAPES.values() for state in ("bare", "recorded")]
    found = dict(zip(rows, measured(rows, options.seconds, options.settle), strict=True))
    for name, tasks in SHAPES.items():
        bare, recorded = found["bare", tasks], found["recorded", tasks]
        print(f"{name:24}{bare[0]:13.2f}{recorded[0]:13.2f}{bare[1]:14.3f}{recorded[1]:14.3f}", flush=True)


if __name__ == "__main__":
    main()
