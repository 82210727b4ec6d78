"""Forks: scans go on however often a process forks, nothing of ours makes them warn or hang, children begin alone."""

import os
import sys

import pytest
from programs import run_program
from services import OFFLINE

pytestmark = [
    pytest.mark.every_python,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks"),
]
ENV = {**OFFLINE, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}

STARVING = """
import asyncio, os, sys, threading, time, warnings
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
warnings.simplefilter("ignore")
reader = InMemoryMetricReader()
ConcurrencyInstrumentor().instrument(meter_provider=MeterProvider([reader]), scan_interval=0.5, agent_disabled=True)

def counted():
    metrics = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    return {metric.name: sum(point.value for point in metric.data.data_points) for metric in metrics
        if metric.name in ("python.asyncio.task.count", "python.concurrency.scan.age")}

async def wait(): await asyncio.get_running_loop().create_future()

def fork():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)

async def by_tasks():
    fork()
    await asyncio.create_task(asyncio.sleep(0.3))

async def by_threads():
    thread = threading.Thread(target=int)
    thread.start()
    fork()
    await asyncio.sleep(0.8)

async def main():
    held = [asyncio.create_task(wait()) for _ in range(100)]
    until = time.monotonic() + 6
    while time.monotonic() < until:
        await KIND()
    found = counted()
    print(found["python.asyncio.task.count"] >= 101, found["python.concurrency.scan.age"] < 5)
asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["by_tasks", "by_threads"])
def test_process_that_forks_before_each_scan_is_scanned(kind):
    """With a task or a thread created between two forks, as a process pool does."""
    done = run_program(STARVING.replace("KIND", kind), env=ENV)
    assert done.stdout == "True True\n", done.stderr


WARNING = """
import asyncio, os, sys, warnings
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
ConcurrencyInstrumentor().instrument(scan_interval=0.05, agent_dir=AGENTS, debug_address=ADDRESS)

async def main():
    warned = 0
    for _ in range(100):
        await asyncio.create_task(asyncio.sleep(0.01))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            child = os.fork()
            if not child:
                os._exit(0)
        warned += bool(caught)
        os.waitpid(child, 0)
    print(warned)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="os.fork does not warn")
@pytest.mark.parametrize("address", ["", "127.0.0.1:0"])
def test_hundred_forks_with_our_threads_never_warn(tmp_path, address):
    """Scan thread, agent and debug server are gone before each, and start again after it."""
    program = WARNING.replace("AGENTS", repr(str(tmp_path / "agents"))).replace("ADDRESS", repr(address))
    done = run_program(program, env=ENV)
    assert done.stdout == "0\n", done.stderr
    assert "is taken" not in done.stderr


CONTENDED = """
import os, threading, time, warnings
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
warnings.simplefilter("ignore")
ConcurrencyInstrumentor().instrument(scan_interval=0.02, agent_dir=AGENTS)
heap = [[number] for number in range(2_000_000)]

def fork():
    began = time.monotonic()
    child = os.fork()
    if not child:
        os._exit(0)
    took = time.monotonic() - began
    os.waitpid(child, 0)
    return took

def work():
    for _ in range(3):
        fork()

threads = [threading.Thread(target=work) for _ in range(40)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(max(fork() for _ in range(5)) < 2)
"""


def test_forks_of_forty_threads_at_once_slow_no_later_one(tmp_path):
    done = run_program(CONTENDED.replace("AGENTS", repr(str(tmp_path / "agents"))), env=ENV)
    assert done.stdout == "True\n", done.stderr


ALONE = """
import asyncio, os, sys, threading, time
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts
exporter = ConsoleMetricExporter(out=open(os.devnull, "w"))
provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=50)])
ConcurrencyInstrumentor().instrument(meter_provider=provider, scan_interval=0.05, agent_dir=AGENTS)

def ours():
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("OtelConcurrency"))

thread = threading.Thread(target=int)
thread.start()
thread.join()
while len(ours()) < 2:
    time.sleep(0.01)
child = os.fork()
if not child:
    said = [ours()]
    time.sleep(0.3)
    said.append(ours())
    asyncio.run(asyncio.sleep(0.3))
    said.append("OtelConcurrencyCensus" in ours() and ours().count("OtelConcurrencyCensus"))
    print(said, flush=True)
    os._exit(0)
os.waitpid(child, 0)
while len(ours()) < 2:
    time.sleep(0.01)
print(live_counts().threads)
os._exit(0)
"""


def test_forked_child_has_no_own_thread_before_a_record(tmp_path):
    """Also where the SDK's metric reader starts its own again and reads our metrics; the parent goes on."""
    program = ALONE.replace("AGENTS", repr(str(tmp_path / "agents")))
    done = run_program(program, env={**ENV, "PYTHONWARNINGS": "ignore"})
    assert done.stdout.splitlines()[0] == "[[], [], 1]", done.stderr
