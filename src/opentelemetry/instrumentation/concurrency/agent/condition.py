"""``condition``: what `doctor` wants to know of a process, as plain values and without secrets."""

from __future__ import annotations

import os
import sys
from typing import Any

from ..settings import SETTING_SPECS
from ..version import __version__
from .target import Target


def condition(target: Target) -> dict[str, Any]:
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
        "hooks_replaced": target.recorder.replaced_hooks(),
        "hook_failures": target.recorder.hook_failures,
        "reports_dropped": dict(target.reports_dropped()),
        "scan_age_s": round(target.scan_age_s(), 3),
        "scan_duration_s": round(target.census.last_duration_s, 6),
        "uptime_s": round(target.uptime_s(), 3),
        "free_threaded": not getattr(sys, "_is_gil_enabled", lambda: True)(),
        "debug": bool(os.environ.get("PYTHONASYNCIODEBUG")) or sys.flags.dev_mode,
        "modules": sorted({"asyncio", "uvloop", "gevent", "eventlet", "trio", "anyio"} & set(sys.modules)),
        "environment": {
            name: os.environ[name]
            for name in (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "OTEL_TRACES_EXPORTER",
                "OTEL_METRICS_EXPORTER",
                "OTEL_LOGS_EXPORTER",
                "OTEL_TRACES_SAMPLER",
                "OTEL_SDK_DISABLED",
                "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
            )
            if os.environ.get(name)
        },
    }
