"""Data points and bytes per export: of the demo service while it leaks, and of a service with 300 sites.

`python benchmarks/series.py REVISION` measures an earlier revision of the package beside the present one, with the same
services: its source is taken from git into a temporary folder. About a minute.

The service of 300 sites has 200 handlers that start a task each at a line of their own, 50 that start one through a
common helper, and 50 that start a thread. All of them are healthy and wait. It is measured with the default
`MAX_SITES`, and without a limit that matters.
"""

import asyncio
import collections
import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

SCOPE = "opentelemetry.instrumentation.concurrency"
SETTINGS = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "3s",
    "OTEL_PYTHON_CONCURRENCY_THREAD_AGE": "3s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "500ms",
}
DIRECT, HELPED, THREADS, UNLIMITED = 200, 50, 50, 1000
HELPER = """
import asyncio, threading
held = set()

def background(coroutine):
    held.add(task := asyncio.create_task(coroutine))
    return task
"""
JOB = "async def job_{0}(gate): await gate.wait()\ndef handler_{0}(gate, stop):\n"
HANDLERS = {
    "direct": JOB + "    held.add(asyncio.create_task(job_{0}(gate)))\n",
    "helped": JOB + "    background(job_{0}(gate))\n",
    "thread": "def job_{0}(stop): stop.wait()\ndef handler_{0}(gate, stop):\n"
    "    threading.Thread(target=job_{0}, args=(stop,), daemon=True).start()\n",
}


BYTES, COMPRESSED, ZEROS = "kB per export, uncompressed", "kB per export, gzip", "points that are zero, %"


def described(request):
    """Return the points that one OTLP export of this package holds, by metric, and its size."""
    for resource in request.resource_metrics:
        for scope in [scope for scope in resource.scope_metrics if scope.scope.name != SCOPE]:
            resource.scope_metrics.remove(scope)
    body, points, zeros = request.SerializeToString(), collections.Counter(), 0
    for resource in request.resource_metrics:
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            found = getattr(metric, metric.WhichOneof("data")).data_points
            points[metric.name] += len(found)
            zeros += sum(not (getattr(each, "as_int", 0) or getattr(each, "as_double", 0)) for each in found)
    size = {BYTES: len(body) / 1000, COMPRESSED: len(gzip.compress(body)) / 1000}
    return dict(points), {**size, ZEROS: 100 * zeros / sum(points.values())}


async def serve(handlers, census, reader):
    """Ask every handler once, scan twice, and return what one export holds."""
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

    gate, stop = asyncio.Event(), threading.Event()
    for handler in handlers:
        handler(gate, stop)
    await asyncio.sleep(0)
    census.scan()
    census.scan()
    found = described(encode_metrics(reader.get_metrics_data()))
    gate.set()
    stop.set()
    return found


def service(max_sites):
    """Run the service of 300 sites in this process, and print what it exports as JSON."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
    from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

    kinds = ["direct"] * DIRECT + ["helped"] * HELPED + ["thread"] * THREADS
    source = HELPER + "".join(HANDLERS[kind].format(number) for number, kind in enumerate(kinds))
    namespace = {"__name__": "shop.handlers"}
    exec(compile(source, "/srv/shop/handlers.py", "exec"), namespace)
    reader = InMemoryMetricReader()
    ConcurrencyInstrumentor().instrument(
        meter_provider=MeterProvider([reader]), max_sites=max_sites, reports="none", scan_interval=3600
    )
    handlers = [namespace[f"handler_{number}"] for number in range(len(kinds))]
    print(json.dumps(asyncio.run(serve(handlers, current_installation().census, reader))))


def of_service(environ, max_sites):
    """Return what an export of the service of 300 sites holds."""
    command = [sys.executable, __file__, "--service", str(max_sites)]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def of_demo(environ):
    """Return what the demo's last export before it ends holds; it leaks by then."""
    from demo import REQUESTS, drive, start_service
    from otlp_receiver import OtlpReceiver

    class Receiver(OtlpReceiver):
        last = None

        def take(self, signal, request):
            super().take(signal, request)
            if signal == "metrics" and any(
                scope.scope.name == SCOPE for each in request.resource_metrics for scope in each.scope_metrics
            ):
                type(self).last = request

    with Receiver() as receiver, tempfile.NamedTemporaryFile("w+") as log:
        process, port = start_service({**SETTINGS, **receiver.environ, **environ}, log)
        try:
            asyncio.run(drive(port))
            receiver.wait_for(
                lambda: (
                    receiver.total("python.asyncio.task.orphan.count") == REQUESTS["/query"]
                    and receiver.total("python.thread.orphan.count") == REQUESTS["/report"]
                ),
                60,
            )
            return described(Receiver.last)
        finally:
            process.terminate()
            process.wait(20)


def measured(source):
    """Return what an export holds for the package in a folder, by service: points by metric, and its size."""
    environ = {"PYTHONPATH": str(source)}
    return {
        "demo": of_demo(environ),
        "300 sites, MAX_SITES=100": of_service(environ, 100),
        f"300 sites, MAX_SITES={UNLIMITED}": of_service(environ, UNLIMITED),
    }


def earlier(revision):
    """Measure a revision of the package."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", revision, "src"], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
        return measured(Path(folder) / "src")


def sites_with_series(points):
    """Return how many sites have series of their own: `created` has a point for each, and one for `_OTHER` per kind."""
    return sum(points.get(f"python.{kind}.created", 0) - 1 for kind in ("asyncio.task", "thread"))


def row(title, values):
    print(f"{title:<42}" + "".join(f"{value:>12,}" for value in values))


def main(revision=""):
    columns = {"now": measured(ROOT / "src")}
    if revision:
        columns = {"before": earlier(revision), **columns}
    print(
        f"Data points and size per export, Python {platform.python_version()}{revision and f'; before is {revision}'}"
    )
    print(f"{'':<42}" + "".join(f"{name:>12}" for name in columns))
    for measure in columns["now"]:
        found = [column[measure][0] for column in columns.values()]
        row(measure, (sum(points.values()) for points in found))
        for size in (BYTES, COMPRESSED, ZEROS):
            row(f"  {size}", (round(column[measure][1][size], 1) for column in columns.values()))
        row("  sites with series of their own", map(sites_with_series, found))
        for name in sorted(set().union(*found)):
            values = [points.get(name, 0) for points in found]
            if max(values) > 4:
                row(f"  {name.removeprefix('python.')}", values)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--service"]:
        service(int(sys.argv[2]))
    else:
        main(*sys.argv[1:])
