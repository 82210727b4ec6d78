"""What a leaking program really sends is what the registry says: names, kinds, units, attributes, types."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("telemetry", ROOT / "docs" / "telemetry.py")
telemetry = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(telemetry)

METRICS = {group["metric_name"]: group for group in telemetry.of_type("metric")}
EVENTS = {group["name"]: group for group in telemetry.of_type("event")}
# Of OpenTelemetry's own registry.
TYPES = {
    "code.function.name": "string",
    "code.file.path": "string",
    "code.line.number": "int",
    "code.stacktrace": "string",
    "thread.id": "int",
    "thread.name": "string",
    "otel.event.name": "string",
} | {each["id"]: each["type"] for group in telemetry.of_type("attribute_group") for each in group["attributes"]}
MAY_LACK = {
    # Suspected threads say the same as orphaned ones; here only tasks are suspected.
    "python.leak.suspected": {
        "thread.id",
        "thread.name",
        "python.thread.age",
        "python.thread.daemon",
        "python.thread.target",
    },
    # The threads of the program are held by nothing that has a name.
    "python.thread.orphaned": {"python.leak.held_by"},
    # The garbage collector may take the frames before the task.
    "python.asyncio.task.destroyed": {"python.leak.waiting_at"},
}
# The note says that the memory is not exact; requests to cancel are not counted before 3.11.
AT_TIMES = {"python.leak.memory.note"} | ({"python.leak.cancel_requests"} if sys.version_info < (3, 11) else set())
for event in ("python.asyncio.task.orphaned", "python.leak.suspected"):
    MAY_LACK[event] = MAY_LACK.get(event, set()) | AT_TIMES
PYTHON_TYPES = {"string": str, "string[]": list, "int": int, "double": float, "boolean": bool}


@pytest.fixture(scope="module")
def emitted():
    program = str(ROOT / "tests" / "telemetry_program.py")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, program], env=environ, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def required(group):
    return {each["ref"] for each in group.get("attributes", ()) if each["requirement_level"] == "required"}


def allowed(group):
    return {each["ref"] for each in group.get("attributes", ())}


def assert_types(name, attributes):
    for key, value in attributes.items():
        declared = TYPES[key]
        if isinstance(declared, str):
            assert type(value) is PYTHON_TYPES[declared], (name, key, value)
        else:
            assert value in {member["value"] for member in declared["members"]}, (name, key, value)


def test_metrics_are_those_of_the_registry(emitted):
    """Every metric of the registry is sent, no other is, and each has the registry's kind and unit."""
    sent = {metric["name"]: (metric["kind"], metric["unit"]) for metric in emitted["metrics"]}
    assert sent == {name: (group["instrument"], group["unit"]) for name, group in METRICS.items()}


def test_attributes_of_metrics_are_those_of_the_registry(emitted):
    """Nothing is missing that is required, nothing is there that is not registered, and all of it occurs."""
    for metric in emitted["metrics"]:
        group = METRICS[metric["name"]]
        assert metric["points"], metric["name"]
        for attributes in metric["points"]:
            assert required(group) <= attributes.keys() <= allowed(group), metric["name"]
            assert_types(metric["name"], attributes)
        assert set().union(*metric["points"]) == allowed(group), metric["name"]


@pytest.mark.parametrize("signal", ["span events", "logs"])
def test_events_are_those_of_the_registry(emitted, signal):
    """Every event is sent on both ways, with all that is required and nothing that is not registered."""
    assert {name for name, _ in emitted[signal]} == set(EVENTS)
    for name, attributes in emitted[signal]:
        assert required(EVENTS[name]) <= attributes.keys() <= allowed(EVENTS[name]), name
        assert_types(name, attributes)


def test_attributes_of_events_all_occur(emitted):
    """An attribute that is registered for an event and never sent is an error of the registry."""
    for name, group in EVENTS.items():
        sent = set().union(*(attributes for event, attributes in emitted["logs"] if event == name))
        assert sent | MAY_LACK.get(name, set()) == allowed(group), name


def test_span_and_span_event_have_the_event_s_name(emitted):
    """So that a search for either finds it."""
    assert emitted["span names"]
    assert all(span == event for span, event in emitted["span names"])


def test_spans_carry_the_site_and_records_the_severity(emitted):
    """What a search for a span or a record finds without opening the report."""
    carried = {"code.function.name", "code.file.path", "code.line.number", "python.asyncio.task.coroutine"} | {
        "python.thread.target",
        "python.leak.verdict",
        "python.leak.count",
        "python.leak.fingerprint",
        "python.leak.reason",
    }
    for own, event in emitted["spans"]:
        assert own == {key: event[key] for key in carried if key in event}
    assert set().union(*(own for own, _ in emitted["spans"])) == carried
    assert {text for _, text in emitted["severities"]} == {"INFO", "WARN", "ERROR"}
    assert all(attributes["otel.event.name"] == name for name, attributes in emitted["logs"])
    assert not any("otel.event.name" in attributes for _, attributes in emitted["span events"])
