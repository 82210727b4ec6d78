"""Information about the process of a snapshot."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace

from ..version import __version__


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """The process that a snapshot shows.

    Attributes:
        process_id: Its process identifier.
        python_version: Its Python version, such as ``3.11.7``.
        service_name: The ``service.name`` of its telemetry; empty if unknown.
        instrumentation_version: The version of this package in it.
    """

    process_id: int
    python_version: str = ""
    service_name: str = ""
    instrumentation_version: str = ""


def this_process() -> ProcessInfo:
    """Return the information about this process."""
    version = sys.version.partition(" ")[0]
    return ProcessInfo(os.getpid(), version, _service_name(), __version__)


def _service_name() -> str:
    resource: Any = getattr(trace.get_tracer_provider(), "resource", None)
    try:
        name = resource.attributes.get("service.name")
    except Exception:  # noqa: BLE001 (a provider of another implementation may raise anything)
        name = None
    if isinstance(name, str) and name and not name.startswith("unknown_service"):
        return name
    named = os.environ.get("OTEL_SERVICE_NAME", "")
    if named:
        return named
    for item in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, _, value = item.partition("=")
        if key.strip() == "service.name":
            return value.strip()
    return ""
