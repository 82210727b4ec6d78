"""One warning at the start of a process that can't send telemetry, or whose OpenTelemetry packages do not match."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Final

from opentelemetry.util._importlib_metadata import (
    entry_points as _entry_points,
)  # cached, as the launcher has filled it

from .otlp_exporters import INSTALL
from .setting_values import TRUE_WORDS

_SAME_VERSION: Final = (
    ("opentelemetry-distro", "opentelemetry-instrumentation"),
    ("opentelemetry-semantic-conventions", "opentelemetry-instrumentation"),
    ("opentelemetry-sdk", "opentelemetry-api"),
)
"""Pairs of packages that are released together: the first requires the same version of the second."""
_BETA: Final = re.compile(r"0\.\d+b\d+")
"""Versions of OpenTelemetry's own instrumentations."""
_API: Final = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
_LAUNCHER: Final = "opentelemetry.instrumentation.auto_instrumentation"


def setup_problem(providers: Iterable[Any]) -> str:
    """Return why this process sends nothing or may fail, with the remedy; empty if nothing is known.

    Args:
        providers: The tracer, logger and meter provider in use.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() in TRUE_WORDS:
        return ""
    if any(not _is_placeholder(each) for each in providers):
        return mismatch() if _LAUNCHER in sys.modules else ""
    if find_spec("opentelemetry.sdk") is None:
        return f"No telemetry is sent: the OpenTelemetry SDK is not installed. Run {INSTALL}."
    if _LAUNCHER in sys.modules and find_spec("opentelemetry.distro") is None:
        return (
            "No telemetry is sent: opentelemetry-instrument configures nothing without opentelemetry-distro, which is "
            f"not installed. Run {INSTALL}."
        )
    return ""


def mismatch() -> str:
    """Return the first package whose version does not match, with the remedy; empty if there is none."""
    instrumentation = "opentelemetry-instrumentation"
    pairs = [*_SAME_VERSION, *((name, instrumentation) for name in _instrumentations())]
    for name, required in pairs:
        found, other = version_of(name), version_of(required)
        if found and other and found != other:
            return (
                f"{name} {found} does not match {required} {other}: telemetry may be incomplete. "
                f"Run pip install -U {name} {required}."
            )
    return ""


def _instrumentations() -> list[str]:
    """Return the packages of OpenTelemetry's own instrumentations, which require their version of the base package."""
    points = _entry_points(group="opentelemetry_instrumentor")
    named = sorted({point.dist.name for point in points if point.dist is not None})
    return [name for name in named if _BETA.fullmatch(version_of(name))]


def version_of(name: str) -> str:
    """Return the version of an installed package; empty if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _is_placeholder(provider: Any) -> bool:
    """Return whether a provider belongs to the API, which sends nothing."""
    module = type(provider).__module__
    return provider is None or module.startswith(
        ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
    )
