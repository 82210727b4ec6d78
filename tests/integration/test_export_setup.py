"""Telemetry in environments as users make them: complete, without SDK, without an exporter, with mixed versions."""

import json
import os
import subprocess
import sys

import pytest
from environments import Environment
from otlp_receiver import OtlpReceiver

INSTALL = "pip install 'opentelemetry-instrumentation-concurrency[otlp]'"
GRPC = "opentelemetry-exporter-otlp-proto-grpc"
PROGRAM = """
import asyncio

held = set()

async def ask(answers):
    await answers.put("tea")

async def query():
    answers = asyncio.Queue(maxsize=1)
    held.update(asyncio.create_task(ask(answers)) for _ in range(60))

async def main():
    await asyncio.create_task(query())
    await asyncio.sleep(1)

asyncio.run(main())
print("served", flush=True)
"""


def environ(**variables):
    return {name: text for name, text in os.environ.items() if not name.startswith(("OTEL", "PYTHON"))} | variables


def started(environment, tmp_path, **variables):
    """Run the program under ``opentelemetry-instrument``; return the receiver and the lines of standard error."""
    program = tmp_path / "app.py"
    program.write_text(PROGRAM)
    with OtlpReceiver() as receiver:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, **variables}
        done = subprocess.run(
            environment.launched(program),
            cwd=tmp_path,
            env=environ(**variables),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (0, "served\n")
    return receiver, done.stderr.splitlines()


def findings(environment, *arguments, **variables):
    """Return what ``doctor`` finds, by state, and its exit code."""
    done = subprocess.run(
        environment.command("doctor", "--json", *arguments),
        env=environ(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return [f"{each['what']} {each['remedy']}" for each in json.loads(done.stdout) if each["state"] == "bad"]


def test_extra_otlp_sends_with_the_endpoint_alone(tmp_path):
    """Metrics, span and log record arrive over OTLP/HTTP; nothing is printed."""
    environment = Environment(tmp_path / "venv", "otlp")
    receiver, errors = started(environment, tmp_path)
    assert errors == []
    assert receiver.last("python.asyncio.task.created", code__function__name="__main__.query") == 60
    assert receiver.spans and receiver.logs
    assert all("endpoint" in each for each in findings(environment))


def test_without_sdk_one_line_says_what_to_install(tmp_path):
    environment = Environment(tmp_path / "venv", "")
    _, errors = started(environment, tmp_path)
    assert errors[0] == f"No telemetry is sent: the OpenTelemetry SDK is not installed. Run {INSTALL}."
    assert any("opentelemetry-sdk is not installed" in each and INSTALL in each for each in findings(environment))


def test_without_distro_one_line_says_what_to_install(tmp_path):
    environment = Environment(tmp_path / "venv", "", ("opentelemetry-sdk",))
    _, errors = started(environment, tmp_path)
    assert "without opentelemetry-distro" in errors[0] and INSTALL in errors[0]
    assert any("opentelemetry-distro is not installed" in each and INSTALL in each for each in findings(environment))


def test_without_exporter_one_line_says_what_to_install(tmp_path):
    """The instrumentation is loaded all the same, without a traceback of the SDK."""
    environment = Environment(tmp_path / "venv", "", ("opentelemetry-distro",))
    receiver, errors = started(environment, tmp_path)
    assert errors == [f"No telemetry is sent: the exporter for grpc is not installed. Run {INSTALL}."]
    assert receiver.exports == 0
    assert any("No exporter for OTLP is installed" in each and INSTALL in each for each in findings(environment))


def test_chosen_grpc_without_its_exporter_is_not_replaced(tmp_path):
    environment = Environment(tmp_path / "venv", "otlp")
    chosen = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    receiver, errors = started(environment, tmp_path, **chosen)
    remedy = f"Run pip install {GRPC}, or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf."
    assert errors == [f"No telemetry is sent: the exporter for grpc is not installed. {remedy}"]
    assert receiver.exports == 0
    assert any(GRPC in each and remedy in each for each in findings(environment, **chosen))


def test_exporter_of_the_protocol_stays_the_real_one(tmp_path):
    """With both exporters, HTTP is used only if it is chosen."""
    environment = Environment(tmp_path / "venv", "otlp", (GRPC,))
    receiver, errors = started(environment, tmp_path, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
    assert errors == [] and receiver.points
    found = findings(environment)
    assert any("http://localhost:4317" in each for each in found)


def test_mixed_beta_versions_are_one_line(tmp_path):
    environment = Environment(tmp_path / "venv", "otlp")
    environment.set_version("opentelemetry-distro", "0.59b0")
    _, errors = started(environment, tmp_path)
    (line,) = errors
    assert line.startswith("opentelemetry-distro 0.59b0 does not match opentelemetry-instrumentation 0.")
    assert "pip install -U opentelemetry-distro opentelemetry-instrumentation" in line


def test_doctor_names_the_first_unmet_requirement(tmp_path):
    environment = Environment(tmp_path / "venv", "otlp")
    environment.set_version("opentelemetry-instrumentation", "0.59b0")
    (found,) = [each for each in findings(environment) if "requires" in each]
    assert found.startswith("opentelemetry-distro 0.") and "but 0.59b0 is installed" in found
    assert "pip install -U opentelemetry-distro opentelemetry-instrumentation" in found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_doctor_finds_a_process_that_was_not_instrumented(tmp_path):
    """By its environment, with or without its PID, and never with the advice to run doctor."""
    environment = Environment(tmp_path / "venv", "")
    program = tmp_path / "sleeper.py"
    program.write_text("import sys; print('up', flush=True); sys.stdin.read()")
    complete = Environment(tmp_path / "complete", "otlp")
    with subprocess.Popen(
        environment.launched(program),
        env=environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        process.stdout.readline()
        listed = findings(complete)
        named = findings(complete, str(process.pid))
        process.stdin.close()
    (of_process,) = [each for each in listed if f"Process {process.pid} (" in each]
    assert "has no agent. opentelemetry-sdk is not installed." in of_process and INSTALL in of_process
    assert any("has no agent" in each for each in named) and any("opentelemetry-sdk" in each for each in named)
    assert not any("otel-concurrency doctor" in each for each in [*listed, *named])
