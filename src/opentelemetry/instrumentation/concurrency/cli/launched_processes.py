"""Checks of processes that ``opentelemetry-instrument`` started but that have no agent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final

from ..durations import short_duration
from ..sanitize import sanitize
from .connection import has_agent
from .export_checks import of_packages
from .finding import Finding
from .installed_packages import InstalledPackages, launched_from
from .processes import Process, environment_of, has_proc, python_processes
from .variable_checks import from_environment

_PACKAGE: Final = "opentelemetry-instrumentation-concurrency"
_COMMAND_LIMIT: Final = 60
_MAX_SHOWN: Final = 8


def of_launched_processes() -> Iterator[Finding]:
    """Yield one finding per process of this user that should have an agent but has none, with its cause."""
    if not has_proc():
        return
    found = 0
    for process in python_processes():
        if process.uid != os.geteuid() or process.process_id == os.getpid():
            continue
        environment = environment_of(process.process_id)
        if launched_from(environment) is None or has_agent(process):
            continue
        found += 1
        if found > _MAX_SHOWN:
            continue
        cause = cause_of_missing_agent(process, environment)
        yield Finding(
            "bad" if cause.state == "bad" else "note",
            f"Process {process.process_id} ({sanitize(process.command, _COMMAND_LIMIT)}) was started by "
            f"opentelemetry-instrument {short_duration(process.uptime_s)} ago but has no agent. {cause.what}",
            cause.remedy,
        )
    more = found - _MAX_SHOWN
    if more > 0:
        yield Finding("note", f"{more} further process{'' if more == 1 else 'es'} without an agent: not listed.")


def cause_of_missing_agent(process: Process, environment: Mapping[str, str]) -> Finding:
    """Return the most likely reason why a process has no agent.

    Args:
        process: The process.
        environment: Its initial environment.
    """
    for finding in from_environment(environment):
        if finding.state == "bad":
            return finding
    directory = launched_from(environment)
    if directory is None:
        return Finding(
            "bad",
            "It was not started by opentelemetry-instrument, and has not called instrument() or has not yet created a "
            "task or thread.",
            "Start it with: opentelemetry-instrument python app.py",
        )
    if process.uid not in (os.geteuid(), -1):
        return Finding("note", "Its packages belong to another user and are not read.")
    packages = InstalledPackages(directory)
    if not packages.version(_PACKAGE):
        return Finding(
            "bad", f"{_PACKAGE} is not installed in {directory}.", f"Run pip install {_PACKAGE} in that environment."
        )
    for finding in of_packages(packages, environment):
        if finding.state == "bad":
            return finding
    return Finding(
        "note",
        "The packages and variables that it started with are complete: either it has not yet created a task or "
        "thread, or its start failed.",
        "Its standard error then has the line 'Failed to auto initialize OpenTelemetry' with the cause.",
    )
