"""``make chain``: services, a Collector agent, two gateways, Prometheus and a backend, as real processes on loopback.

    shop, ten more services  ->  agent  ->  gateway 1 and 2  ->  backend (OTLP), file of reports
                                                             ->  Prometheus exporter  ->  Prometheus

Prints what arrived where, compares the values, and injects faults:

* Gateway 1 is killed under load: all records in its queue and in the agent's queue must arrive.
* Records above the limits: one that only the default limit of a receiver would drop, and one that the agent refuses.
* The backend answers 503, then 401. The Collector drops data that is answered with 401; the reports are sent again from
  the gateways' files.

Requires ``make collector``; Prometheus is skipped if it is not installed.
"""

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from collector import Collector, free_port
from demo import REQUESTS, SITE, drive, start_service
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp_receiver import OtlpReceiver
from prometheus_server import prometheus

SCOPE = "opentelemetry.instrumentation.concurrency"
RECORDS, SERVICES, KILLED_AFTER, BACK_AFTER = 3_000, 10, 1_000, 2_000
ACCEPTED_MIB, REFUSED_MIB, PER_FAULT = 16, 21, 100
ROW = "{:<26} {:<34} {:>7}  {}"
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


def numbered(number: int, scope: str = "chain", body: str = "") -> bytes:
    """Return an export request with one log record that has a number."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    name = logs.resource.attributes.add(key="service.name")
    name.value.string_value = f"load-{number % SERVICES}"
    scoped = logs.scope_logs.add()
    scoped.scope.name = scope
    record = scoped.log_records.add(event_name="chain.numbered")
    record.attributes.add(key="number").value.int_value = number
    record.body.string_value = body
    return request.SerializeToString()


def post(tiers: Tiers, data: bytes, content_type: str = "application/x-protobuf") -> int:
    """Send log records to the agent and return the status of its answer, 0 without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", tiers.http, timeout=30)
    try:
        # A server that refuses a large body may answer before it has read all of it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/v1/logs", data, {"Content-Type": content_type})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def load(tiers: Tiers) -> set[int]:
    """Send numbered records while gateway 1 is killed and restarted; return the numbers that the agent accepted."""
    accepted = set()
    for number in range(RECORDS):
        if number == KILLED_AFTER:
            tiers.gateways[0].kill()
        if number == BACK_AFTER:
            threading.Thread(target=tiers.gateways[0].start, args=(tiers.grpc[0],)).start()
        if post(tiers, numbered(number)) == 200:
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

    def row(self, where: str, what: str, got: object, expected: object, verdict: str = "as sent") -> None:
        good = got == expected
        self.well = self.well and good
        print(ROW.format(where, what, str(got), verdict if good else f"EXPECTED {expected}"), flush=True)


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
    table.row("gateways, exporter", f"live tasks of {SITE}", int(exporters()), leaked)
    if server is not None:
        table.row("Prometheus", f"live tasks of {SITE}", int(from_prometheus() or 0), leaked)
    ids = {report_id(span.events[0][1]) for span in receiver.reports("python.asyncio.task.orphaned")}
    logged = {report_id(log.attributes) for log in receiver.logs if log.event_name == "python.asyncio.task.orphaned"}
    table.row("backend, sampled traces", "reports that are also in the logs", len(ids & logged), len(logged))
    wait(lambda: logged <= in_files(tiers))
    table.row(
        "gateways, file of reports", "reports that are also in the logs", len(in_files(tiers) & logged), len(logged)
    )


def at_backend(receiver: OtlpReceiver) -> int:
    return int(receiver.total("python.asyncio.task.count", code__function__name=SITE) or 0)


def report_id(attributes: dict) -> str:
    return attributes["python.leak.report.id"]


def lines(tiers: Tiers) -> list[str]:
    """Return the lines of the gateways' files of reports, each an export request as JSON."""
    return [line for file in tiers.reports if file.exists() for line in file.read_text().splitlines()]


def in_files(tiers: Tiers) -> set[str | int]:
    """Return the ids of reports and the numbers of numbered records in the gateways' files."""
    found: set[str | int] = set()
    for line in lines(tiers):
        for resource in json.loads(line)["resourceLogs"]:
            for scope in resource["scopeLogs"]:
                for record in scope["logRecords"]:
                    values = {each["key"]: each["value"] for each in record["attributes"]}
                    if record.get("eventName") == "python.asyncio.task.orphaned":
                        found.add(values["python.leak.report.id"]["stringValue"])
                    elif record.get("eventName") == "chain.numbered":
                        found.add(int(values["number"]["intValue"]))
    return found


def gateway_killed(table: Table, receiver: OtlpReceiver, tiers: Tiers) -> None:
    """Kill gateway 1 under load."""
    accepted = load(tiers)
    wait(lambda: accepted <= set(arrived(receiver)), 120)
    table.row("agent", "accepted, gateway 1 killed midway", len(accepted), RECORDS)
    table.row("backend, OTLP logs", "of them", len(accepted & set(arrived(receiver))), len(accepted))
    twice = len(arrived(receiver)) - len(set(arrived(receiver)))
    print(ROW.format("backend, OTLP logs", "sent twice", twice, "").rstrip(), flush=True)


def large_records(table: Table, receiver: OtlpReceiver, tiers: Tiers) -> None:
    """Send a record above the default limit of gRPC receivers, and one above the agent's limit."""
    table.row(
        "agent", f"answer to a record of {ACCEPTED_MIB} MiB", post_large(tiers, -1, ACCEPTED_MIB), 200, "accepted"
    )
    wait(lambda: -1 in arrived(receiver))
    table.row("backend, OTLP logs", f"record of {ACCEPTED_MIB} MiB", arrived(receiver).count(-1), 1)
    table.row("agent", f"answer to a record of {REFUSED_MIB} MiB", post_large(tiers, -2, REFUSED_MIB), 400, "refused")


def post_large(tiers: Tiers, number: int, mebibytes: int) -> int:
    return post(tiers, numbered(number, body="x" * (mebibytes << 20)))


def backend_refuses(table: Table, receiver: OtlpReceiver, tiers: Tiers) -> None:
    """Send reports while the backend answers 503, then 401; then send the gateways' files of reports again."""
    for status, first in ((503, RECORDS), (401, RECORDS + PER_FAULT)):
        numbers = set(range(first, first + PER_FAULT))
        receiver.refused.clear()
        receiver.status = status
        for number in numbers:
            post(tiers, numbered(number, SCOPE))
        # With 401, each request is answered once and dropped. With 503, ten are retried and the others wait.
        wait(lambda status=status: receiver.refused["logs"] >= (PER_FAULT if status == 401 else 10))
        receiver.status = 200
        if status == 503:
            wait(lambda numbers=numbers: numbers <= set(arrived(receiver)), 120)
            table.row(
                "backend, OTLP logs", "sent while it answered 503", len(numbers & set(arrived(receiver))), PER_FAULT
            )
    table.row("backend, OTLP logs", "sent while it answered 401", len(numbers & set(arrived(receiver))), 0, "dropped")
    table.row("gateways, file of reports", "sent while it answered 401", len(numbers & in_files(tiers)), PER_FAULT)
    for line in lines(tiers):
        post(tiers, line.encode(), "application/json")
    wait(lambda: numbers <= set(arrived(receiver)), 120)
    table.row("backend, OTLP logs", "the same, file sent again", len(numbers & set(arrived(receiver))), PER_FAULT)


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
        print(ROW.format("where", "what", "arrived", "").rstrip())
        asyncio.run(drive(port))
        compare(table, receiver, tiers, server)
        gateway_killed(table, receiver, tiers)
        large_records(table, receiver, tiers)
        backend_refuses(table, receiver, tiers)
        wait(lambda: at_backend(receiver) == REQUESTS["/query"])
        table.row("backend, OTLP metrics", "live tasks at the end", at_backend(receiver), REQUESTS["/query"])
        if os.environ.get("CHAIN_LOGS"):
            shutil.copytree(folder, os.environ["CHAIN_LOGS"], dirs_exist_ok=True)
    return 0 if table.well else 1


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(20)


if __name__ == "__main__":
    sys.exit(main())
