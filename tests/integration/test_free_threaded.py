"""On an interpreter without a global lock it counts what lives, shows it by line, proves nothing, and never crashes."""

import sys

import pytest
from programs import run_program
from services import OFFLINE

pytestmark = pytest.mark.skipif(
    getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this interpreter has a global lock"
)

CHURN = """
import asyncio, io, os, sys, threading, time, warnings
from opentelemetry import metrics
from opentelemetry.instrumentation import concurrency as ours
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
assert not sys._is_gil_enabled()
reader = InMemoryMetricReader()
ours.ConcurrencyInstrumentor().instrument(
    scan_interval=0.01, task_age=1, proof_interval=1, meter_provider=MeterProvider([reader]), agent_disabled=True
)
LOOPS, HELD, ends_at = 4, 30, time.monotonic() + SECONDS

async def leaf(): await asyncio.sleep(0)
async def inner(depth):
    if depth:
        await inner(depth - 1)
    else:
        for _ in range(50):
            await leaf()
async def numbers():
    for number in range(5):
        await asyncio.sleep(0)
        yield number
async def consume():
    async for _ in numbers(): pass
async def wait(future): await future

async def main():
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(HELD)]
    held = [asyncio.create_task(wait(future)) for future in futures]
    while time.monotonic() < ends_at:
        await asyncio.gather(*(asyncio.create_task(inner(5)) for _ in range(10)), *(consume() for _ in range(5)))
    ready.release()
    await loop.run_in_executor(None, counted.wait)
    for future in futures:
        future.set_result(None)
    await asyncio.gather(*held)

def deeper(depth):
    return deeper(depth - 1) if depth else sum(range(9))
def busy():
    while time.monotonic() < ends_at:
        deeper(40)

ready, counted = threading.Semaphore(0), threading.Event()
running = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(LOOPS)]
running += [threading.Thread(target=busy)]
for thread in running:
    thread.start()
looks = 0
while time.monotonic() < ends_at:
    ours.live_counts()
    ours.take_snapshot()
    for name in ("task", "thread", "taskleak"):
        ours.write_profile(name, io.BytesIO(), debug=0)
        ours.write_profile(name, profile := io.StringIO(), debug=1)
    reader.get_metrics_data()
    looks += 1
for _ in range(LOOPS):
    ready.acquire()
print(looks > 0, ours.live_counts().tasks == LOOPS * (HELD + 1) == len(ours.take_snapshot().tasks))
print("no global lock" in profile.getvalue(), current_installation().hook_failures())
warnings.simplefilter("ignore")
for _ in range(3):
    child = os.fork()
    if not child:
        async def in_child(): return ours.live_counts().tasks
        os._exit(0 if asyncio.run(in_child()) == 1 else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
counted.set()
for thread in running:
    thread.join()
print(ours.live_counts().tasks)
"""


@pytest.mark.parametrize("seconds", [20])
def test_counts_while_loops_run_in_other_threads_are_safe(seconds):
    """Snapshots, profiles, scans and exports over tasks that move on meanwhile; forks; a proof that says why not."""
    env = {**OFFLINE, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    done = run_program(CHURN.replace("SECONDS", str(seconds)), env=env, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True True\nTrue 0\n0\n0\n0\n0\n", done.stdout + done.stderr
