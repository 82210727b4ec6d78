"""``make chain``: services, a Collector agent, two gateways, Prometheus and a backend, as real processes on loopback.

    shop, ten more services  ->  agent  ->  gateway 1 and 2  ->  backend (OTLP), file of reports
                                                             ->  Prometheus exporter  ->  Prometheus

Prints what arrived where, compares the values, and kills one gateway under load: all records in its queue and in the
agent's queue must arrive. Requires ``make collector``; Prometheus is skipped if it is not installed.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from collector import Collector, free_port
from demo import REQUESTS, SITE, drive, start_service
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp_receiver import OtlpReceiver
from prometheus_server import prometheus

SCOPE = "opentelemetry.instrumentation.concurrency"
RECORDS, SERVICES, KILLED_AFTER, BACK_AFTER = 3_000, 10, 1_000, 2_000
SETTINGS = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "OTEL_BSP_SCHEDULE_DELAY": "500",
    "OTEL_BLRP_SCHEDULE_DELAY": "500",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "3s",
    "OTEL_PYTHON_CONCURRENCY_THREAD_AGE": "3s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "500ms",
}


class Tiers:
    """The agent and two gateways in front of one backend."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.grpc = [free_port(), free_port()]
        self.scraped = [f"127.0.0.1:{free_port()}" for _ in self.grpc]
        self.http = free_port()
        self.reports = [folder / f"reports-{number}.jsonl" for number in (1, 2)]
        self.gateways = [
            Collector(
                "gateway.yaml",
                folder / f"gateway-{number + 1}.log",
                BACKEND=backend,
                QUEUE_DIR=str(folder / f"gateway-{number + 1}"),
                OTLP_GRPC=f"127.0.0.1:{port}",
                PROMETHEUS_ADDRESS=self.scraped[number],
                REPORTS_FILE=str(self.reports[number]),
                DECISION_WAIT="2s",
            )
            for number, port in enumerate(self.grpc)
        ]
        self.agent = Collector(
            "agent.yaml",
            folder / "agent.log",
            GATEWAYS=json.dumps([f"127.0.0.1:{port}" for port in self.grpc]),
            GATEWAY_INSECURE="true",
            QUEUE_DIR=str(folder / "agent"),
            OTLP_GRPC=f"127.0.0.1:{free_port()}",
            OTLP_HTTP=f"127.0.0.1:{self.http}",
        )

    @contextlib.contextmanager
    def running(self):
        try:
            for number, gateway in enumerate(self.gateways):
                gateway.start(self.grpc[number])
            self.agent.start(self.http)
            yield self
        finally:
            for each in (self.agent, *self.gateways):
                each.stop()


def numbered(number: int) -> bytes:
    """Return an export request with one log record that has a number."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    name = logs.resource.attributes.add(key="service.name")
    name.value.string_value = f"load-{number % SERVICES}"
    record = logs.scope_logs.add().log_records.add(event_name="chain.numbered")
    record.attributes.add(key="number").value.int_value = number
    return request.SerializeToString()


def load(tiers: Tiers) -> set[int]:
    """Send numbered records while gateway 1 is killed and restarted; return the numbers that the agent accepted."""
    accepted = set()
    for number in range(RECORDS):
        if number == KILLED_AFTER:
            tiers.gateways[0].kill()
        if number == BACK_AFTER:
            threading.Thread(target=tiers.gateways[0].start, args=(tiers.grpc[0],)).start()
        request = urllib.request.Request(
            f"http://127.0.0.1:{tiers.http}/v1/logs",
            data=numbered(number),
            headers={"Content-Type": "application/x-protobuf"},
        )
        with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(request, timeout=30) as answer:
            if answer.status == 200:
                accepted.add(number)
        time.sleep(0.002)
    return accepted


def arrived(receiver: OtlpReceiver) -> list[int]:
    """Return the numbers of the records that the backend received."""
    return [log.attributes["number"] for log in list(receiver.logs) if log.event_name == "chain.numbered"]


def scraped(address: str, name: str, **labels: str) -> float | None:
    """Return the sum of a metric's samples with these labels from a Prometheus exporter; None without samples."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    found = [line for line in lines if line.startswith(name + "{") and all(each in line for each in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found) if found else None


class Table:
    """The table of what arrived where, compared with what was sent."""

    def __init__(self) -> None:
        self.well = True

    def row(self, where: str, what: str, got: object, expected: object) -> None:
        good = got == expected
        self.well = self.well and good
        print(f"{where:<38} {what:<42} {got!s:>10}  {'as sent' if good else f'EXPECTED {expected}'}", flush=True)


def compare(table: Table, receiver: OtlpReceiver, tiers: Tiers, server) -> None:
    """Wait until all tiers have the same values, then print them."""
    leaked = REQUESTS["/query"]

    def exporters():
        found = [
            scraped(each, "python_asyncio_task_count", code_function_name=SITE, job="shop") for each in tiers.scraped
        ]
        return sum(each for each in found if each is not None)

    def from_prometheus():
        return server.value(f'sum(python_asyncio_task_count{{job="shop", code_function_name="{SITE}"}})')

    wait(lambda: exporters() == leaked and (server is None or from_prometheus() == leaked))
    wait(lambda: any(log.event_name == "python.asyncio.task.orphaned" for log in receiver.logs))
    wait(lambda: receiver.reports("python.asyncio.task.orphaned"))
    table.row("backend, OTLP metrics", f"live tasks of {SITE}", at_backend(receiver), leaked)
    lines = {"code.line.number" in point.attributes for point in receiver.points if "task" in point.name}
    table.row("backend, OTLP metrics", "series by line", len([each for each in lines if each]), 0)
    table.row("gateways, Prometheus exporter", f"live tasks of {SITE}", int(exporters()), leaked)
    if server is not None:
        table.row("Prometheus", f"live tasks of {SITE}", int(from_prometheus() or 0), leaked)
    ids = {report_id(span.events[0][1]) for span in receiver.reports("python.asyncio.task.orphaned")}
    logged = {report_id(log.attributes) for log in receiver.logs if log.event_name == "python.asyncio.task.orphaned"}
    table.row(
        "backend, traces after tail sampling", "reports that are also in the logs", len(ids & logged), len(logged)
    )
    wait(lambda: logged <= set(in_files(tiers)))
    table.row(
        "gateways, file of reports",
        "reports that are also in the logs",
        len(set(in_files(tiers)) & logged),
        len(logged),
    )


def at_backend(receiver: OtlpReceiver) -> int:
    return int(receiver.total("python.asyncio.task.count", code__function__name=SITE) or 0)


def report_id(attributes: dict) -> str:
    return attributes["python.leak.report.id"]


def in_files(tiers: Tiers):
    """Yield the ids of the reports on orphaned tasks in the gateways' files."""
    for file in tiers.reports:
        for line in file.read_text().splitlines() if file.exists() else ():
            for resource in json.loads(line)["resourceLogs"]:
                for scope in resource["scopeLogs"]:
                    for record in scope["logRecords"]:
                        values = {each["key"]: each["value"] for each in record["attributes"]}
                        if record.get("eventName") == "python.asyncio.task.orphaned":
                            yield values["python.leak.report.id"]["stringValue"]


def wait(found, limit_s: float = 60) -> bool:
    """Wait until ``found()`` is true; return False after the time limit."""
    deadline = time.monotonic() + limit_s
    while not found():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def main() -> int:
    table = Table()
    with tempfile.TemporaryDirectory() as place, OtlpReceiver() as receiver, contextlib.ExitStack() as stack:
        folder = Path(place)
        tiers = stack.enter_context(Tiers(folder, receiver.endpoint).running())
        server = None
        if shutil.which("prometheus"):
            server = stack.enter_context(prometheus(free_port(), {}, said=tiers.scraped))
        else:
            print("Prometheus is not installed and is skipped; it is in Debian's package prometheus.")
        log = stack.enter_context((folder / "service.log").open("w+"))
        settings = {**SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{tiers.http}"}
        process, port = start_service(settings, log)
        stack.callback(stop, process)
        print(f"{'where':<38} {'what':<42} {'arrived':>10}")
        asyncio.run(drive(port))
        compare(table, receiver, tiers, server)
        accepted = load(tiers)
        wait(lambda: accepted <= set(arrived(receiver)), 120)
        table.row("agent", "records accepted, gateway 1 killed midway", len(accepted), RECORDS)
        table.row("backend, OTLP logs", "of them", len(accepted & set(arrived(receiver))), len(accepted))
        print(
            f"{'backend, OTLP logs':<38} {'sent twice':<42} {len(arrived(receiver)) - len(set(arrived(receiver))):>10}"
        )
        wait(lambda: at_backend(receiver) == REQUESTS["/query"])
        table.row("backend, OTLP metrics", f"live tasks of {SITE}, still", at_backend(receiver), REQUESTS["/query"])
        if os.environ.get("CHAIN_LOGS"):
            shutil.copytree(folder, os.environ["CHAIN_LOGS"], dirs_exist_ok=True)
    return 0 if table.well else 1


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(20)


if __name__ == "__main__":
    sys.exit(main())
