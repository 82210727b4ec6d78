"""The files of ``collector-config`` on the Collector that ``make collector`` builds."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples"))
from collector import Collector, binary, free_port  # noqa: E402
from otlp_receiver import OtlpReceiver  # noqa: E402

CONFIGS = ROOT / "collector-config"
FILES = sorted(
    {*CONFIGS.glob("*.yaml"), *CONFIGS.glob("vendors/*.yaml"), ROOT / "examples" / "compose" / "collector.yaml"}
)
FILES.remove(CONFIGS / "builder.yaml")
# AWS' library looks for credentials while the file is read; nothing may ask another machine.
AWS = {"AWS_ACCESS_KEY_ID": "an-id", "AWS_SECRET_ACCESS_KEY": "a-secret", "AWS_EC2_METADATA_DISABLED": "true"}
LEFT_OUT = re.findall(r"^\| `(\w+)` (exporter|extension) \|", (CONFIGS / "README.md").read_text(), re.MULTILINE)
SCOPE = "opentelemetry.instrumentation.concurrency"
OTHERS, REPORTS = 1_000, 50
# The smallest limit that the thresholds of compaction allow.
MAX_BYTES = 64 << 20

try:
    binary()
except FileNotFoundError:
    pytest.skip("needs the Collector: make collector", allow_module_level=True)


def values(text: str, folder: Path) -> dict[str, str]:
    """Return a value for each variable that a file names and gives none."""
    special = {"GATEWAYS": "[127.0.0.1:1]", "QUEUE_DIR": str(folder), "AWS_REGION": "eu-west-1"}
    return {
        name: special.get(name, "https://127.0.0.1:1" if not name.endswith(("KEY", "TOKEN", "BASIC")) else "a-secret")
        for name in re.findall(r"\$\{env:(\w+)\}", text)
    }


def validate(config: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        [str(binary()), "validate", "--config", str(config)],
        env={**os.environ, **AWS, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stderr if done.returncode else ""


def without(content: dict, name: str, kind: str) -> None:
    """Replace an exporter by ``debug``, or remove an extension that authenticates."""
    if kind == "exporter":
        content["exporters"] = {**content["exporters"], "debug": {}}
        del content["exporters"][name]
        for pipeline in content["service"]["pipelines"].values():
            pipeline["exporters"] = ["debug" if each == name else each for each in pipeline["exporters"]]
        return
    content["service"]["extensions"].remove(name)
    del content["extensions"][name]
    for exporter in content["exporters"].values():
        if exporter.get("auth") == {"authenticator": name}:
            del exporter["auth"]


@pytest.mark.parametrize("config", FILES, ids=lambda path: path.stem)
def test_file_is_valid(config, tmp_path):
    """Except for the components that the README names as left out."""
    text = config.read_text()
    environ = values(text, tmp_path)
    content = yaml.safe_load(text)
    left_out = [(name, kind) for name, kind in LEFT_OUT if name in content.get(f"{kind}s", {})]
    if left_out:
        ((name, kind),) = left_out
        assert f'unknown type: "{name}"' in validate(config, environ)
        without(content, name, kind)
        config = tmp_path / "rest.yaml"
        config.write_text(yaml.safe_dump(content))
    assert validate(config, environ) == ""


def test_misspelt_part_is_found(tmp_path):
    """What validates everything else would notice."""
    text = (CONFIGS / "agent.yaml").read_text().replace("routing_key: service", "routing_keys: service")
    (tmp_path / "agent.yaml").write_text(text)
    assert "routing_keys" in validate(tmp_path / "agent.yaml", values(text, tmp_path))


def post(port: int, signal: str, request) -> None:
    sent = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/{signal}",
        data=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(sent, timeout=30) as answer:
        assert answer.status == 200


def until(found, limit_s: float = 60):
    deadline = time.monotonic() + limit_s
    while not (result := found()):
        assert time.monotonic() < deadline, "nothing arrived in time"
        time.sleep(0.1)
    return result


def named(request_part, service: str = "shop"):
    request_part.resource.attributes.add(key="service.name").value.string_value = service
    request_part.resource.attributes.add(key="service.instance.id").value.string_value = "one"
    return request_part


def report_log(creation: str) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = named(request.resource_logs.add()).scope_logs.add()
    scope.scope.name = SCOPE
    record = scope.log_records.add(event_name="python.asyncio.task.orphaned")
    record.attributes.add(key="python.leak.creation_stacktrace").value.string_value = creation
    return request


def live_tasks(lines: dict[int, int]) -> ExportMetricsServiceRequest:
    """Return an export of how many tasks live by line, all created by one function."""
    request = ExportMetricsServiceRequest()
    scope = named(request.resource_metrics.add()).scope_metrics.add()
    scope.scope.name = SCOPE
    metric = scope.metrics.add(name="python.asyncio.task.count", unit="{task}")
    metric.sum.aggregation_temporality = 2
    now = time.time_ns()
    for line, count in lines.items():
        point = metric.sum.data_points.add(as_int=count, time_unix_nano=now, start_time_unix_nano=now - line)
        point.attributes.add(key="code.function.name").value.string_value = "shop.query"
        point.attributes.add(key="code.file.path").value.string_value = "shop.py"
        point.attributes.add(key="code.line.number").value.int_value = line
        point.attributes.add(key="python.asyncio.task.coroutine").value.string_value = "shop.ask"
    return request


def traces() -> ExportTraceServiceRequest:
    """Return an export of many requests' spans and some reports' spans, each a trace of its own."""
    request = ExportTraceServiceRequest()
    resource = named(request.resource_spans.add())
    for name, count, first in (("shop", OTHERS, 1), (SCOPE, REPORTS, 100_000)):
        scope = resource.scope_spans.add()
        scope.scope.name = name
        for number in range(first, first + count):
            now = time.time_ns()
            span = scope.spans.add(name=f"of {name}", start_time_unix_nano=now - 1000, end_time_unix_nano=now)
            span.trace_id = os.urandom(16)
            span.span_id = number.to_bytes(8, "big")
    return request


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway before a backend: the receiver, the gateway's port, its exporter's port, its file of reports."""
    folder = tmp_path_factory.mktemp("gateway")
    with OtlpReceiver() as receiver:
        port, grpc, scraped = free_port(), free_port(), free_port()
        config = folder / "gateway.yaml"
        content = yaml.safe_load((CONFIGS / "gateway.yaml").read_text())
        content["receivers"]["otlp"]["protocols"]["http"] = {"endpoint": f"127.0.0.1:{port}"}
        content["connectors"]["span_metrics"]["metrics_flush_interval"] = "1s"
        config.write_text(yaml.safe_dump(content))
        collector = Collector(
            str(config),
            folder / "gateway.log",
            BACKEND=receiver.endpoint,
            QUEUE_DIR=str(folder / "queue"),
            OTLP_GRPC=f"127.0.0.1:{grpc}",
            PROMETHEUS_ADDRESS=f"127.0.0.1:{scraped}",
            REPORTS_FILE=str(folder / "reports.jsonl"),
            DECISION_WAIT="1s",
        )
        try:
            collector.start(port)
            yield receiver, port, scraped, folder / "reports.jsonl"
        finally:
            collector.stop()


def test_gateway_keeps_the_innermost_frames_of_a_creation_stack(gateway):
    receiver, port, _, file = gateway
    frames = [f'  File "/srv/shop/module.py", line {number}, in function_{number}\n' for number in range(60)]
    post(port, "logs", report_log("".join(frames)))
    (log,) = until(lambda: [each for each in receiver.logs if each.event_name == "python.asyncio.task.orphaned"])
    cut = log.attributes["python.leak.creation_stacktrace"]
    assert len(cut) <= 1000
    assert cut == "".join(frames)[-len(cut) :]
    assert len(cut) > 900
    assert "orphaned" in until(lambda: file.exists() and file.read_text())


def test_gateway_adds_up_the_lines_of_a_function(gateway):
    """What the lines run stays: two coroutines that one function starts are two leaks."""
    receiver, port, scraped, _ = gateway
    post(port, "metrics", live_tasks({10: 3, 20: 4}))
    (point,) = until(lambda: [each for each in receiver.points if each.name == "python.asyncio.task.count"])
    assert (point.value, point.attributes) == (
        7,
        {"code.function.name": "shop.query", "python.asyncio.task.coroutine": "shop.ask"},
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{scraped}/metrics", timeout=10) as answer:
        (line,) = [
            each for each in answer.read().decode().splitlines() if each.startswith("python_asyncio_task_count{")
        ]
    assert line.endswith(" 7")
    assert 'job="shop"' in line and 'instance="one"' in line and 'code_function_name="shop.query"' in line


def test_gateway_samples_requests_and_loses_no_report(gateway):
    """And reports are no requests: they stay out of the rates."""
    receiver, port, _, _ = gateway
    post(port, "traces", traces())
    until(lambda: sum(span.scope == SCOPE for span in receiver.spans) >= REPORTS)
    until(lambda: sum(span.scope == "shop" for span in receiver.spans) >= 30)
    # What should not have been kept would come now.
    time.sleep(1)
    kept = sum(span.scope == "shop" for span in receiver.spans)
    assert 30 <= kept <= 250
    assert sum(span.scope == SCOPE for span in receiver.spans) == REPORTS
    calls = until(lambda: [each for each in receiver.points if each.name.endswith("calls")])
    assert {each.attributes["span.name"] for each in calls} == {"of shop"}
    assert max(each.value for each in calls) == OTHERS


KEPT, DROPPED = (429, 502, 503, 504), (400, 401, 403, 404, 413, 500)


def test_answers_of_the_backend_that_keep_data(gateway):
    """As the README lists: the exporter drops data that is answered with any other status."""
    receiver, port, _, _ = gateway
    table = (CONFIGS / "README.md").read_text()
    for status in (*KEPT, *DROPPED):
        assert str(status) in table
        receiver.refused.clear()
        receiver.status = status
        try:
            assert send_body(port, status, 10)
            until(lambda: receiver.refused["logs"])
        finally:
            receiver.status = 200
    assert send_body(port, 0, 10)
    until(lambda: {0, *KEPT} <= numbers(receiver))
    assert not set(DROPPED) & numbers(receiver)


def test_minimal_configuration_writes_received_data(tmp_path):
    port = free_port()
    text = (CONFIGS / "minimal.yaml").read_text()
    collector = Collector(
        "minimal.yaml",
        tmp_path / "log",
        **values(text, tmp_path),
        OTLP_GRPC=f"127.0.0.1:{free_port()}",
        OTLP_HTTP=f"127.0.0.1:{port}",
        OTLP_FILE=str(tmp_path / "telemetry.jsonl"),
    )
    try:
        collector.start(port)
        post(port, "logs", report_log("here"))
        line = until(lambda: (tmp_path / "telemetry.jsonl").exists() and (tmp_path / "telemetry.jsonl").read_text())
    finally:
        collector.stop()
    (resource,) = json.loads(line)["resourceLogs"]
    assert resource["scopeLogs"][0]["logRecords"][0]["eventName"] == "python.asyncio.task.orphaned"
    assert "python.asyncio.task.orphaned" in (tmp_path / "log").read_text()


def send_body(port: int, number: int, size: int) -> bool:
    """Send a log record of a size; return whether it was accepted."""
    request = report_log("here")
    (record,) = request.resource_logs[0].scope_logs[0].log_records
    record.attributes.add(key="number").value.int_value = number
    record.body.string_value = "x" * size
    try:
        post(port, "logs", request)
    except urllib.error.HTTPError as refused:
        # Such an answer lets the sender retry.
        assert refused.code == 503
        return False
    return True


def agent_without_gateway(folder: Path, stack: ExitStack, **variables: str) -> tuple[int, int]:
    """Start an agent whose gateway does not listen yet; return the ports of agent and gateway."""
    port, gateway = free_port(), free_port()
    agent = Collector(
        "agent.yaml",
        folder / "agent.log",
        GATEWAYS=f"[127.0.0.1:{gateway}]",
        GATEWAY_INSECURE="true",
        QUEUE_DIR=str(folder / "queue"),
        OTLP_GRPC=f"127.0.0.1:{free_port()}",
        OTLP_HTTP=f"127.0.0.1:{port}",
        **variables,
    )
    stack.callback(agent.stop)
    agent.start(port)
    return port, gateway


def megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


def numbers(receiver: OtlpReceiver) -> set[int]:
    return {log.attributes["number"] for log in list(receiver.logs) if "number" in log.attributes}


def test_queue_on_disk_shrinks_after_an_outage(tmp_path):
    """Without compaction the file keeps the size of the largest backlog."""
    with ExitStack() as stack:
        port, gateway = agent_without_gateway(tmp_path, stack)
        for number in range(80):
            assert send_body(port, number, 1 << 20)
        assert megabytes(tmp_path / "queue") > 80
        receiver = stack.enter_context(OtlpReceiver("grpc", port=gateway))
        until(lambda: numbers(receiver) == set(range(80)))
        until(lambda: megabytes(tmp_path / "queue") < 20)


def test_full_queue_on_disk_refuses_and_loses_nothing(tmp_path):
    """Refused data stays with its sender; the backlog is delivered once the gateway is back."""
    size = 100_000
    with ExitStack() as stack:
        port, gateway = agent_without_gateway(tmp_path, stack, QUEUE_MAX_BYTES=str(MAX_BYTES), QUEUE_FSYNC="false")
        accepted: set[int] = set()
        while send_body(port, len(accepted), size):
            accepted.add(len(accepted))
        assert megabytes(tmp_path / "queue") * 1e6 < 3 * MAX_BYTES
        assert len(accepted) * size > MAX_BYTES / 4
        receiver = stack.enter_context(OtlpReceiver("grpc", port=gateway))
        until(lambda: accepted <= numbers(receiver))
        until(lambda: send_body(port, -1, size))


def test_restarted_gateway_keeps_its_file_of_reports(tmp_path):
    port, file = free_port(), tmp_path / "reports.jsonl"
    gateway = Collector(
        "gateway.yaml",
        tmp_path / "gateway.log",
        BACKEND="http://127.0.0.1:1",
        QUEUE_DIR=str(tmp_path / "queue"),
        OTLP_GRPC=f"127.0.0.1:{port}",
        PROMETHEUS_ADDRESS=f"127.0.0.1:{free_port()}",
        REPORTS_FILE=str(file),
    )
    try:
        for number in (1, 2):
            gateway.start(port)
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                LogsServiceStub(channel).Export(report_log(f"report {number}"), timeout=30)
            until(lambda number=number: f"report {number}" in (file.read_text() if file.exists() else ""))
            gateway.kill()
    finally:
        gateway.stop()
    assert "report 1" in file.read_text()


def test_whole_chain_with_faults():
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "chain.py")], capture_output=True, text=True, timeout=400
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert done.stdout.count("as sent") >= 12
    assert max(map(len, done.stdout.splitlines())) <= 80
