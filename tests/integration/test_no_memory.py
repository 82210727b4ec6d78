"""A process at its memory limit: the application sees what it would see without us, and we go on once there is some."""

import json
import subprocess
import sys

import pytest
from services import AGENT_DIR

pytestmark = [
    pytest.mark.every_python,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS holds on Linux"),
]

STARVED = """
import asyncio, json, os, resource, sys, threading, time
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts

reader = InMemoryMetricReader()
instrumented = sys.argv[1] == "instrumented"
if instrumented:
    ConcurrencyInstrumentor().instrument(
        meter_provider=MeterProvider([reader]), scan_interval=0.05, task_age=0.2, reports="none"
    )

def exhaust(steps):
    held = None
    for size in (1 << 24, 1 << 20, 1 << 16, 1 << 12, 600, 64, 16):
        try:
            while True:
                held = (bytes(size), held)
        except MemoryError:
            pass
    # Enough for a handful of tasks.
    for _ in steps:
        held = held[1]
    return held

def release(chain):
    # One by one, and with no second reference to its head: the depth of the chain is no recursion.
    while chain[0] is not None:
        chain[0] = chain[0][1]

def metrics():
    data = reader.get_metrics_data()
    return {
        metric.name: metric.data.data_points[0]
        for resource_metrics in data.resource_metrics
        for scope in resource_metrics.scope_metrics
        for metric in scope.metrics
        if metric.data.data_points
    }

def scans():
    found = metrics().get("python.concurrency.scan.duration")
    return 0 if found is None else found.count

async def forever():
    await asyncio.get_running_loop().create_future()

async def main():
    tasks = [asyncio.create_task(forever()) for _ in range(2000)]
    while instrumented and not scans():
        await asyncio.sleep(0.05)
    # Made here, as there is no memory for iterators, lists and numbers above 256 later.
    chain, rounds = [None], [(iter(range(100)), iter(range(200)), [0, 0]) for _ in range(5)]
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (8 << 20), resource.RLIM_INFINITY))
    for steps, tries, outcomes in rounds:
        chain[0] = exhaust(steps)
        for _ in tries:
            try:
                task = asyncio.create_task(forever())
                tasks.append(task)
                outcomes[0] += 1
            except MemoryError:
                outcomes[1] += 1
        time.sleep(0.15)
        release(chain)
        await asyncio.sleep(0.05)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    found = {"made": sum(made for _, _, (made, _) in rounds), "errors": sum(errors for _, _, (_, errors) in rounds)}
    if instrumented:
        scanned = scans()
        while scans() < scanned + 2:
            await asyncio.sleep(0.05)
        tasks.append(asyncio.create_task(forever()))
        found["live"], found["all"] = live_counts().tasks, len(asyncio.all_tasks())
    print(json.dumps(found), flush=True)
    os._exit(0)

asyncio.run(main())
"""


def starved(how, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-X", "faulthandler", "-c", STARVED, how],
        env={AGENT_DIR: str(tmp_path / "agents")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_process_at_its_memory_limit_is_scanned_again(tmp_path):
    """The hooks stay installed, and the scan thread survives.

    Whether a hook fails at all is chance: as a rule the application's own creation fails first.
    """
    bare = starved("bare", tmp_path)
    ours = starved("instrumented", tmp_path)
    assert bare["errors"] > 500
    # Of 1,000 tries.
    assert abs(ours["made"] - bare["made"]) < 100
    assert ours["live"] == ours["all"]
