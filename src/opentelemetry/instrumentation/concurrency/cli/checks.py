"""Checks for common problems: each yields one finding, with a remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any, Final

from ..agent.socket_paths import SocketPathError, directories, open_directory, runtime_directory
from ..durations import short_duration
from ..otlp_exporters import INSTALL
from ..sanitize import sanitize
from ..version import __version__
from .connection import DIRECTORY_VARIABLE
from .export_checks import has_exporter, of_endpoint, of_packages, protocol_of
from .finding import Finding
from .installed_packages import InstalledPackages
from .launched_processes import of_launched_processes
from .processes import PROC, Process, environment_of
from .silent_loop_lines import REMEDY, silent_loop_sentence, silent_loops_of
from .variable_checks import from_environment

_LONGEST_S: Final = 1e9
_ESSENTIAL: Final = frozenset({"Python", "asyncio", "threading", "concurrent.futures", "uvloop"})
"""Libraries on which every verdict depends."""


def of_environment() -> Iterator[Finding]:
    """Yield findings about the environment that runs this command."""
    yield Finding("ok", f"Version {__version__} of this package is installed here.")
    names = {point.name for point in entry_points(group="opentelemetry_instrumentor")}
    if "concurrency" in names:
        yield Finding("ok", "opentelemetry-instrument finds it (entry point opentelemetry_instrumentor: concurrency).")
    else:
        yield Finding(
            "bad",
            "opentelemetry-instrument does not find this package: its entry point is not installed.",
            "Run pip install opentelemetry-instrumentation-concurrency in the environment that runs the program.",
        )
    packages = InstalledPackages()
    yield from of_packages(packages, os.environ)
    yield _wrapt(_version_of("wrapt"))
    yield from from_environment(os.environ)
    if has_exporter(packages, os.environ):
        yield from of_endpoint(os.environ, protocol_of(packages, os.environ))
    yield _agent_directory()
    yield from of_launched_processes()


def of_process(process: Process) -> Iterator[Finding]:
    """Yield findings about a process from outside."""
    python = process.python or "of an unknown version"
    up = short_duration(process.uptime_s)
    yield Finding(
        "ok", f"Process {process.process_id} has run Python {python} for {up}: {sanitize(process.command, 200)}"
    )
    if process.state == "T":
        yield Finding("bad", "The process is stopped.", f"kill -CONT {process.process_id}")
    if process.uid not in (os.geteuid(), -1) and os.geteuid() != 0:
        yield Finding(
            "bad", f"The process belongs to user {process.uid}.", "Run the command as that user or with sudo."
        )
        return
    if not process.python:
        yield Finding("note", "The process does not look like Python.", "Give the PID of the interpreter.")
    environment = environment_of(process.process_id)
    yield from from_environment(environment)
    if "multiprocessing.forkserver" in process.command or "multiprocessing.resource_tracker" in process.command:
        yield Finding(
            "note",
            "The process is a helper process of multiprocessing, which is never instrumented.",
            "Inspect its children.",
        )
    try:
        same = (PROC / str(process.process_id) / "ns/mnt").readlink() == (PROC / "self/ns/mnt").readlink()
        if not same:
            yield Finding("note", "The process is in a container or has a private mount; its socket is expected there.")
    except OSError:
        # The process belongs to another user or has ended: its namespace is unknown, other findings are unaffected.
        pass


def of_agent(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield findings from the facts that the agent of a process reports."""
    yield Finding("ok", f"The agent answers: package {facts['version']}, Python {facts['python']}.")
    if facts["version"] != __version__:
        yield Finding("note", f"This command has version {__version__}.", "Use the command of the process environment.")
    yield _wrapt(facts.get("wrapt", ""))
    yield from _telemetry(facts)
    for name in facts.get("hooks_replaced", ()):
        yield Finding(
            "bad",
            f"Another library replaced {name} later; tasks and threads created through it have no creation site.",
            "Instrument after that library, or remove its patch.",
        )
    if facts.get("hook_failures"):
        times = "once" if facts["hook_failures"] == 1 else f"{facts['hook_failures']} times"
        yield Finding(
            "bad", f"Hooks of this package failed {times}.", "See the process log, also for hooks that were removed."
        )
    if facts.get("scan_failures"):
        times = "once" if facts["scan_failures"] == 1 else f"{facts['scan_failures']} times"
        yield Finding("bad", f"Scans failed {times}.", "See the process log.")
    for reason, count in sorted((facts.get("reports_dropped") or {}).items()):
        yield Finding("bad", f"{count} reports were dropped ({reason}).", _DROPPED.get(reason, ""))
    for kind, count in sorted((facts.get("folded") or {}).items()):
        yield Finding(
            "note",
            f"{count} {kind}s were created beyond the limit of known sites; they are counted as _OTHER.",
            "Code that is generated repeatedly (exec, eval, templates) creates new sites each time.",
        )
    for loop in silent_loops_of(facts):
        yield Finding("bad", silent_loop_sentence(loop), REMEDY)
    configured = facts["settings"].get("scan_interval")
    interval = configured if isinstance(configured, (int, float)) and 0 < configured < _LONGEST_S else 5.0
    # An idle process with many tasks is scanned less often.
    if facts["scan_age_s"] > max(10 * interval, 2 * float(facts.get("scan_gap_s") or 0.0)) + 60:
        yield Finding("bad", f"The last scan was {short_duration(facts['scan_age_s'])} ago.", "See the process log.")
    else:
        yield Finding("ok", f"Scans run; the last one took {facts['scan_duration_s'] * 1000:.1f} ms.")
    yield from _surroundings(facts)
    yield from _internals(facts.get("internals"))
    yield from _lock_of_counters(facts)
    yield from of_endpoint(facts.get("environment", {}), protocol_of(None, facts.get("environment", {})))


def _recorder(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield which recorder records the tasks; nothing if the process has an earlier version."""
    if facts.get("recorder"):
        reason = f": {facts['recorder_reason']}" if facts.get("recorder_reason") else ""
        yield Finding("ok", f"The {facts['recorder']} recorder records the tasks{reason}.")


def _surroundings(facts: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _recorder(facts)
    if facts.get("free_threaded"):
        yield Finding("note", "The interpreter is free-threaded: there is no proof of unwakeable tasks.")
    for module in ("gevent", "eventlet"):
        if module in facts.get("modules", ()):
            yield Finding("note", f"The process uses {module}: greenlets count as threads and get no verdict.")


def _internals(found: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Yield the result of the self-test; nothing if the process has an earlier version or a scan took too long."""
    if found is None:
        return
    libraries = found["libraries"]
    if libraries:
        names = ", ".join(libraries[:-1]) + " and " * (len(libraries) > 1) + libraries[-1]
        yield Finding("ok", f"The internals of {names} are as this version expects.")
    for each in found["differing"]:
        library = each["library"]
        yield Finding(
            "bad" if library in _ESSENTIAL else "note",
            f"In {library}, {each['what']} is not as this version expects: {each['lost']}.",
            "Upgrade opentelemetry-instrumentation-concurrency. If that does not help, report this line in an "
            f"issue, with the versions of Python and {library}.",
        )


def _lock_of_counters(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a warning if the SDK can wait for a lock that its own thread holds."""
    environment = facts.get("environment", {})
    delta = environment.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").lower() == "delta"
    exemplars = environment.get("OTEL_METRICS_EXEMPLAR_FILTER", "").lower() != "always_off"
    if facts.get("traces_coroutines") and delta and exemplars:
        yield Finding(
            "note",
            "The process uses OpenTelemetry's asyncio instrumentation with delta temporality and exemplars: a garbage "
            "collection while the SDK holds a counter's lock may end a traced task, which waits for that lock forever.",
            "OTEL_METRICS_EXEMPLAR_FILTER=always_off, or OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=asyncio.",
        )


_DROPPED: Final = {
    "sampler": "A sampler drops the spans: set OTEL_PYTHON_CONCURRENCY_REPORTS=log, or use one that keeps new roots.",
    "limit": "More sites leak than OTEL_PYTHON_CONCURRENCY_REPORT_LIMIT allows: otel-concurrency leaks PID shows all.",
    "no_sink": "There is no tracer or logger provider: install the SDK, or set OTEL_PYTHON_CONCURRENCY_REPORTS=none.",
    "error": "A provider failed: the process log has the traceback.",
}


def _telemetry(facts: Mapping[str, Any]) -> Iterator[Finding]:
    telemetry = facts.get("telemetry", {})
    missing = [signal for signal, kind in telemetry.items() if ".sdk." not in f".{kind}."]
    if len(missing) == len(telemetry):
        yield Finding(
            "bad",
            "The process has no OpenTelemetry SDK: metrics and reports are not sent.",
            f"Run {INSTALL}, and start it with opentelemetry-instrument.",
        )
    elif missing:
        yield Finding(
            "note", f"The SDK provides no {' and no '.join(missing)}.", "Set a provider if you need this signal."
        )
    else:
        yield Finding("ok", "The SDK provides traces, metrics and logs.")


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _wrapt(found: str) -> Finding:
    parts = found.split(".")
    if len(parts) > 1 and parts[0] in ("0", "1"):
        return Finding("note", f"wrapt {found} is old; hooks can't always be removed.", "pip install -U wrapt")
    return Finding("ok", f"wrapt {found or 'of an unknown version'}.")


def _agent_directory() -> Finding:
    uid = os.geteuid()
    problem = ""
    for path in directories(uid, os.environ.get(DIRECTORY_VARIABLE, ""), runtime_directory(uid)):
        try:
            os.close(open_directory(path, uid, create=True))
        except SocketPathError as error:
            problem = problem or str(error)
            continue
        return Finding("ok", f"Agents of this user create their sockets in {path}.")
    return Finding("bad", "No directory is available for the sockets of agents.", problem)
