"""What turning it on costs a process that has OpenTelemetry and asyncio already: time and memory of import and all.

Each of twenty processes does what ``opentelemetry-instrument`` does for this package: load it and call
``instrument()``. Its modules are compiled, as ``pip`` leaves them behind, by a run that isn't counted. Printed: the
quickest and the median time, and the memory. Budget: 30 ms and 3 MB.
"""

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

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


def measure(environment):
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
        runs = [measure(environment) for _ in range(PROCESSES + 1)][1:]
    loads, calls, memory = zip(*runs, strict=True)
    print(f"CPython {platform.python_version()}, {platform.machine()}, {dt.datetime.now(dt.timezone.utc).date()}")
    print(f"{'':<24} {'quickest':>9} {'median':>9}")
    print(f"{'import, ms':<24} {min(loads) * 1e3:>9.1f} {statistics.median(loads) * 1e3:>9.1f}")
    print(f"{'instrument(), ms':<24} {min(calls) * 1e3:>9.1f} {statistics.median(calls) * 1e3:>9.1f}")
    print(f"{'resident memory, MB':<24} {min(memory) / 1e6:>9.1f} {statistics.median(memory) / 1e6:>9.1f}")


if __name__ == "__main__":
    main()
