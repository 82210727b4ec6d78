"""The ``status`` request: settings, hooks, telemetry and versions of a process, without secrets."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from ..record.interpreter import FREE_THREADED
from ..settings import SETTING_SPECS
from ..version import __version__
from .target import Target

_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_SDK_DISABLED",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
)
"""Variables that configure the destination of telemetry."""
_LONGEST_WAIT_S: Final = 2.0


def _traces_coroutines() -> bool:
    """Return whether OpenTelemetry's instrumentation of asyncio is installed."""
    module = sys.modules.get("opentelemetry.instrumentation.asyncio")
    instrumentor = getattr(module, "AsyncioInstrumentor", None)
    return instrumentor is not None and bool(instrumentor().is_instrumented_by_opentelemetry)


def _internals(target: Target) -> dict[str, Any] | None:
    """Return which libraries have the expected internals and how others differ; None if a scan takes too long."""
    try:
        checks = target.live.check_internals(timeout_s=_LONGEST_WAIT_S)
    except TimeoutError:
        return None
    differing = [each for each in checks if not each.works]
    libraries = {each.library for each in checks} - {each.library for each in differing}
    return {
        "libraries": sorted(libraries, key=str.casefold),
        "differing": [{"library": each.library, "what": each.what, "lost": each.lost} for each in differing],
    }


def status(target: Target) -> dict[str, Any]:
    """Return the state of the instrumentation: settings, hooks, telemetry, versions."""
    import wrapt

    settings = {
        spec.name: "<set>"
        if spec.is_secret and getattr(target.settings, spec.name)
        else getattr(target.settings, spec.name)
        for spec in SETTING_SPECS
    }
    return {
        "pid": os.getpid(),
        "version": __version__,
        "python": sys.version.partition(" ")[0],
        "executable": sys.executable,
        "wrapt": str(getattr(wrapt, "__version__", "unknown")),
        "settings": settings,
        "telemetry": target.telemetry(),
        "recorder": target.live.recorder.task_recorder.name,
        "recorder_reason": target.live.recorder.task_recorder.reason,
        "hooks_replaced": target.live.recorder.replaced_hooks(),
        "folded": target.live.recorder.folded(),
        "hook_failures": target.live.recorder.hook_failures,
        "scan_failures": target.live.census.failures,
        "reports_dropped": dict(target.reports_dropped()),
        "silent_loops": [each.as_facts() for each in target.silent_loops(may_ask=True)],
        "scan_age_s": round(target.scan_age_s(), 3),
        "scan_gap_s": round(target.live.census.schedule.expected_gap_s, 3),
        "scan_duration_s": round(target.live.census.last_duration_s, 6),
        "uptime_s": round(target.uptime_s(), 3),
        "free_threaded": FREE_THREADED,
        "debug": bool(os.environ.get("PYTHONASYNCIODEBUG")) or sys.flags.dev_mode,
        "modules": sorted({"asyncio", "uvloop", "gevent", "eventlet", "trio", "anyio"} & set(sys.modules)),
        "traces_coroutines": _traces_coroutines(),
        "internals": _internals(target),
        "environment": {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)},
    }
