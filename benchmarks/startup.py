"""What turning it on costs a process that has OpenTelemetry and asyncio already: time and memory of import and all.

Each of twenty processes does what ``opentelemetry-instrument`` does for this package: load it and call
``instrument()``. Printed: the quickest and the median time, and the memory. Budget: 30 ms and 3 MB.
"""

import json
import platform
import statistics
import subprocess
import sys

PROCESSES = 20
PROGRAM = """
import asyncio, json, os, threading, time
import opentelemetry.sdk.metrics, opentelemetry.sdk.trace, opentelemetry.sdk._logs, opentelemetry.sdk.resources
import opentelemetry.instrumentation.instrumentor, opentelemetry.instrumentation.auto_instrumentation._load

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

threading.Thread(target=threading.Event().wait, daemon=True).start()
before, began = memory(), time.perf_counter()
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
imported = time.perf_counter()
ConcurrencyInstrumentor().instrument()
ended = time.perf_counter()
print(json.dumps([imported - began, ended - imported, memory() - before]), flush=True)
os._exit(0)
"""


def main():
    runs = []
    for _ in range(PROCESSES):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    loads, calls, memory = zip(*runs, strict=True)
    print(f"CPython {platform.python_version()}, {platform.machine()}")
    print(f"{'':<24} {'quickest':>9} {'median':>9}")
    print(f"{'import, ms':<24} {min(loads) * 1e3:>9.1f} {statistics.median(loads) * 1e3:>9.1f}")
    print(f"{'instrument(), ms':<24} {min(calls) * 1e3:>9.1f} {statistics.median(calls) * 1e3:>9.1f}")
    print(f"{'resident memory, MB':<24} {min(memory) / 1e6:>9.1f} {statistics.median(memory) / 1e6:>9.1f}")


if __name__ == "__main__":
    main()
