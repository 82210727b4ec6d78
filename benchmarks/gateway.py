"""What a gateway of the Collector holds: services by the thousand, each sending what one real service sends.

The demo service runs once and its last export of metrics is kept. Then a load generator sends that export for 1,000
and for 10,000 services, each with a name and process of its own, spread over a minute as the default export interval
spreads them; and at last as fast as the gateway takes it. The gateway is collector-config/gateway.yaml with a backend
that counts bytes and throws them away. All share the cores of this machine. Needs `make collector`; about four minutes.
The numbers of services may be given as arguments.
"""

import asyncio
import os
import platform
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import grpc
from collector import Collector, free_port
from demo import drive, start_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from otlp_receiver import OtlpReceiver

SERVICES, MINUTE_S, FLAT_OUT_S, IN_FLIGHT = (1_000, 10_000), 60, 20, 16
ROW = "{:>8}  {:>11}  {:>5}  {:>6}  {:>6}  {:>14}  {:>7}  {:>16}"
SCOPE = "opentelemetry.instrumentation.concurrency"
SETTINGS = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "3s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "500ms",
}


class Keeping(OtlpReceiver):
    """Keeps the newest export of metrics as it came."""

    newest = None

    def take(self, signal, request):
        super().take(signal, request)
        self.newest = request if signal == "metrics" else self.newest


def one_service():
    """Return what the demo service exports once it leaks, with the metrics of this package alone."""
    with Keeping() as receiver, tempfile.TemporaryFile("w+") as log:
        process, port = start_service({**SETTINGS, **receiver.environ}, log)
        try:
            asyncio.run(drive(port))
            receiver.wait_for(lambda: receiver.last("python.asyncio.task.orphan.count"), 60)
            time.sleep(3)
        finally:
            process.terminate()
            process.wait(20)
        kept = metrics_pb2.ExportMetricsServiceRequest()
        for resource in receiver.newest.resource_metrics:
            copy = kept.resource_metrics.add(resource=resource.resource)
            copy.scope_metrics.extend(scope for scope in resource.scope_metrics if scope.scope.name == SCOPE)
        return kept


def points(request):
    """Yield the data points of an export."""
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield from getattr(metric, metric.WhichOneof("data")).data_points


def as_service(template, number):
    """Turn the export into that of another service, of now."""
    for attribute in template.resource_metrics[0].resource.attributes:
        if attribute.key == "service.name":
            attribute.value.string_value = f"service-{number:05}"
        elif attribute.key == "service.instance.id":
            attribute.value.string_value = f"00000000-0000-0000-0000-{number:012}"
    now = time.time_ns()
    for point in points(template):
        point.time_unix_nano = now
    return template


class Discarding:
    """A backend that counts requests and bytes."""

    def __enter__(self):
        counted = self
        self.requests, self.bytes = 0, 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                counted.bytes += len(self.rfile.read(int(self.headers["Content-Length"])))
                counted.requests += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Gateway:
    """The gateway, with what it has used."""

    def __init__(self, folder, backend):
        self.grpc, self.scraped = free_port(), f"127.0.0.1:{free_port()}"
        self.collector = Collector(
            "gateway.yaml",
            folder / "gateway.log",
            BACKEND=backend.endpoint,
            QUEUE_DIR=str(folder / "queue"),
            # The speed of the disk is not what is measured here.
            QUEUE_FSYNC="false",
            OTLP_GRPC=f"127.0.0.1:{self.grpc}",
            PROMETHEUS_ADDRESS=self.scraped,
            REPORTS_FILE=str(folder / "reports.jsonl"),
        )

    def __enter__(self):
        self.collector.start(self.grpc)
        return self

    def __exit__(self, *_):
        self.collector.stop()

    def cpu_s(self):
        """Return the seconds of processor time used so far."""
        fields = Path(f"/proc/{self.collector.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self):
        """Return the resident memory in MB."""
        pages = int(Path(f"/proc/{self.collector.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def scrape(self):
        """Return seconds, MB and series of one scrape."""
        began = time.perf_counter()
        with urllib.request.urlopen(f"http://{self.scraped}/metrics", timeout=60) as answer:
            text = answer.read()
        took = time.perf_counter() - began
        return took, len(text) / 1e6, sum(line.startswith(b"python_") for line in text.splitlines())


def send(port, template, numbers, pause_s):
    """Send the exports of these services; return how many were taken and how many refused."""
    taken, refused = 0, 0
    waiting = []
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = metrics_grpc.MetricsServiceStub(channel).Export
        began = time.perf_counter()
        for sent, number in enumerate(numbers):
            waiting.append(export.future(as_service(template, number)))
            time.sleep(max(0.0, began + sent * pause_s - time.perf_counter()))
            if len(waiting) >= IN_FLIGHT:
                failed = waiting.pop(0).exception() is not None
                taken, refused = taken + (not failed), refused + failed
        failed = sum(each.exception() is not None for each in waiting)
        return taken + len(waiting) - failed, refused + failed


def for_seconds(limit_s, services):
    """Yield numbers of services for so many seconds."""
    began = time.perf_counter()
    while time.perf_counter() - began < limit_s:
        yield from range(0, services, max(1, services // 100))


def run(template, services):
    """Send for so many services for two minutes, and flat out; return a row of the table."""
    with tempfile.TemporaryDirectory() as place, Discarding() as backend, Gateway(Path(place), backend) as gateway:
        send(gateway.grpc, template, range(services), MINUTE_S / services / 4)
        used, began, got = gateway.cpu_s(), time.perf_counter(), backend.bytes
        refused = send(gateway.grpc, template, range(services), MINUTE_S / services)[1]
        cores = (gateway.cpu_s() - used) / (time.perf_counter() - began)
        out = (backend.bytes - got) / services
        memory, (scrape_s, scrape_mb, series) = gateway.memory_mb(), gateway.scrape()
        used, began = gateway.cpu_s(), time.perf_counter()
        fast, fast_refused = send(gateway.grpc, template, for_seconds(FLAT_OUT_S, services), 0)
        fast_s = time.perf_counter() - began
        fast_cores = (gateway.cpu_s() - used) / fast_s
    return [
        f"{services:,}",
        f"{series:,}",
        f"{cores:.2f}",
        f"{memory:,.0f}",
        f"{out / 1e3:.1f}",
        f"{scrape_s:.1f} s, {scrape_mb:,.0f} MB",
        f"{refused + fast_refused}",
        f"{fast / fast_s:,.0f} ({fast_cores:.2f})",
    ]


def main(numbers):
    template = one_service()
    size, series = len(template.SerializeToString()), sum(1 for _ in points(template))
    print(f"Collector gateway, {os.cpu_count()} cores with generator and backend, Python {platform.python_version()}")
    print(f"One service: {series} series by line, {size / 1e3:.1f} kB an export and minute\n")
    print(ROW.format("services", "series held", "cores", "MB", "kB out", "a scrape", "refused", "a second (cores)"))
    for services in numbers:
        print(ROW.format(*run(template, services)), flush=True)
    print("kB out: to the backend, compressed, a service and minute; a second: exports taken flat out")


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or SERVICES)
