"""What commonly goes wrong, each as one finding with its remedy."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from ..agent.places import PlaceError, directories, open_directory
from ..version import __version__
from .connection import DIRECTORY_VARIABLE
from .processes import PROC, Process, environment_of
from .terminal import short_duration

_PREFIX: Final = "OTEL_PYTHON_CONCURRENCY_"
_DEFAULT_ENDPOINTS: Final = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318"}
_CONNECT_LIMIT_S: Final = 1.0
_OLD_WRAPT: Final = (2, 0)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        state: Whether it is as it should be.
        what: One sentence.
        remedy: What to do; empty if nothing.
    """

    state: Literal["ok", "note", "bad"]
    what: str
    remedy: str = ""


def of_environment() -> Iterator[Finding]:
    """Yield what is found in the environment that runs this command."""
    yield Finding("ok", f"This package is installed here, version {__version__}.")
    names = {point.name for point in entry_points(group="opentelemetry_instrumentor")}
    if "concurrency" in names:
        yield Finding("ok", "opentelemetry-instrument finds it (entry point opentelemetry_instrumentor: concurrency).")
    else:
        yield Finding(
            "bad",
            "opentelemetry-instrument does not find it: its entry point is not installed.",
            "pip install opentelemetry-instrumentation-concurrency in the environment that runs the program.",
        )
    for package, needed_for in (
        ("opentelemetry-sdk", "without the SDK reports and metrics go nowhere; the command line still works"),
        ("opentelemetry-distro", "without it opentelemetry-instrument configures no exporter by itself"),
    ):
        yield _package(package, needed_for)
    yield _wrapt(_version_of("wrapt"))
    yield from _from_environment(os.environ)
    yield from _exporter(os.environ)
    yield _agent_directory()


def of_process(process: Process) -> Iterator[Finding]:
    """Yield what can be told of a process from outside."""
    python = process.python or "of an unknown version"
    up = short_duration(process.uptime_s)
    yield Finding("ok", f"Process {process.process_id} runs Python {python} for {up}: {process.command[:200]}")
    if process.state == "T":
        yield Finding("bad", "It is stopped.", f"kill -CONT {process.process_id}")
    if process.uid not in (os.geteuid(), -1) and os.geteuid() != 0:
        yield Finding("bad", f"It belongs to user {process.uid}.", "Run the command as that user or with sudo.")
        return
    if not process.python:
        yield Finding("note", "It does not look like Python.", "Name the process that runs the interpreter.")
    environment = environment_of(process.process_id)
    yield from _from_environment(environment)
    if "multiprocessing.forkserver" in process.command or "multiprocessing.resource_tracker" in process.command:
        yield Finding(
            "note", "It is one of multiprocessing's own, which is never instrumented.", "Look at its children."
        )
    try:
        same = (PROC / str(process.process_id) / "ns/mnt").readlink() == (PROC / "self/ns/mnt").readlink()
        if not same:
            yield Finding("note", "It is in a container or a private mount of its own; its socket is looked for there.")
    except OSError:
        # Another user's, or gone: where it lives can't be told, and the other findings stand without.
        pass


def of_agent(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what the agent of a process says of itself."""
    yield Finding("ok", f"Its agent answers: package {facts['version']}, Python {facts['python']}.")
    if facts["version"] != __version__:
        yield Finding("note", f"This command is of version {__version__}.", "Use the command of the same environment.")
    yield _wrapt(facts.get("wrapt", ""))
    yield from _telemetry(facts)
    for name in facts.get("hooks_replaced", ()):
        yield Finding(
            "bad",
            f"{name} was replaced by another patch on top; what is created through it is found only by the census.",
            "Instrument after whatever replaces it, or take that out.",
        )
    if facts.get("hook_failures"):
        times = "once" if facts["hook_failures"] == 1 else f"{facts['hook_failures']} times"
        yield Finding("bad", f"Our hooks failed {times}.", "Its log says which, why, and whether one was taken out.")
    for reason, count in sorted((facts.get("reports_dropped") or {}).items()):
        yield Finding("bad", f"{count} reports were dropped ({reason}).", _DROPPED.get(reason, ""))
    interval = float(facts["settings"].get("scan_interval", 5.0))
    if facts["scan_age_s"] > 10 * interval + 60:
        yield Finding("bad", f"The last scan was {short_duration(facts['scan_age_s'])} ago.", "Its log says why.")
    else:
        yield Finding("ok", f"It scans; the last scan took {facts['scan_duration_s'] * 1000:.1f} ms.")
    if facts.get("free_threaded"):
        yield Finding("note", "Its interpreter has no global lock: there is no proof of unwakeable tasks.")
    for module in ("gevent", "eventlet"):
        if module in facts.get("modules", ()):
            yield Finding("note", f"It uses {module}: greenlets count as threads and get no verdict.")
    yield from _exporter(facts.get("environment", {}))


_DROPPED: Final = {
    "sampler": "A sampler drops the spans: OTEL_PYTHON_CONCURRENCY_REPORTS=log, or a sampler that keeps new roots.",
    "limit": "More lines leak at once than REPORT_LIMIT allows for: otel-concurrency leaks PID shows all.",
    "no_sink": "There is no tracer or logger provider: install the SDK, or set OTEL_PYTHON_CONCURRENCY_REPORTS=none.",
    "error": "A provider failed: its log has the traceback.",
}


def _telemetry(facts: Mapping[str, Any]) -> Iterator[Finding]:
    telemetry = facts.get("telemetry", {})
    missing = [signal for signal, kind in telemetry.items() if ".sdk." not in f".{kind}."]
    if len(missing) == len(telemetry):
        yield Finding(
            "bad",
            "There is no OpenTelemetry SDK in it: metrics and reports go nowhere.",
            "pip install opentelemetry-distro opentelemetry-exporter-otlp, and start it with opentelemetry-instrument.",
        )
    elif missing:
        yield Finding("note", f"The SDK gives no {' and no '.join(missing)}.", "Set its provider, if you want it.")
    else:
        yield Finding("ok", "Traces, metrics and logs have an SDK.")


def _from_environment(environment: Mapping[str, str]) -> Iterator[Finding]:
    def is_true(name: str) -> bool:
        return environment.get(name, "").strip().lower() in ("true", "1", "yes", "on")

    for name in (f"{_PREFIX}DISABLED", "OTEL_SDK_DISABLED", f"{_PREFIX}AGENT_DISABLED"):
        if is_true(name):
            yield Finding("bad", f"{name}={environment[name]} switches it off.", f"unset {name}, and restart.")
    disabled = [each.strip() for each in environment.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")]
    if "concurrency" in disabled or "*" in disabled:
        yield Finding(
            "bad",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS switches it off.",
            "Take 'concurrency' out of that list, and restart.",
        )
    if environment.get("OTEL_CONFIG_FILE"):
        yield Finding("note", f"OTEL_CONFIG_FILE={environment['OTEL_CONFIG_FILE']} configures the SDK.")


def _exporter(environment: Mapping[str, str]) -> Iterator[Finding]:
    exporters = [environment.get(f"OTEL_{each}_EXPORTER", "otlp") for each in ("TRACES", "METRICS", "LOGS")]
    if not any("otlp" in each for each in exporters):
        yield Finding("note", f"Exporters are {', '.join(sorted(set(exporters)))}; nothing is sent by OTLP.")
        return
    protocol = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or _DEFAULT_ENDPOINTS.get(protocol, "")
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 4317)
        socket.create_connection((host, port), _CONNECT_LIMIT_S).close()
    except (OSError, ValueError) as error:
        yield Finding(
            "bad",
            f"The exporter's endpoint {_without_credentials(endpoint)} can't be reached from here ({error}).",
            "Start a Collector there, or set OTEL_EXPORTER_OTLP_ENDPOINT.",
        )
        return
    yield Finding("ok", f"The exporter's endpoint {_without_credentials(endpoint)} can be reached from here.")


def _without_credentials(endpoint: str) -> str:
    scheme, separator, rest = endpoint.rpartition("//")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _package(name: str, needed_for: str) -> Finding:
    found = _version_of(name)
    return (
        Finding("ok", f"{name} {found}.") if found else Finding("note", f"{name} is not installed.", needed_for + ".")
    )


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _wrapt(found: str) -> Finding:
    parts = found.split(".")
    if len(parts) > 1 and parts[0].isdigit() and (int(parts[0]), 0) < _OLD_WRAPT:
        return Finding("note", f"wrapt {found} is old; hooks can't always be taken out.", "pip install -U wrapt")
    return Finding("ok", f"wrapt {found or 'of an unknown version'}.")


def _agent_directory() -> Finding:
    uid = os.geteuid()
    problem = ""
    for path in directories(uid, os.environ.get(DIRECTORY_VARIABLE, "")):
        try:
            os.close(open_directory(path, uid, create=True))
        except PlaceError as error:
            problem = problem or str(error)
            continue
        return Finding("ok", f"Agents of this user put their sockets into {path}.")
    return Finding("bad", "There is no directory for the sockets of agents.", problem)
