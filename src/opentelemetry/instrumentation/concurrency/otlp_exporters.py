"""OTLP exporters under the names that the SDK looks up, so that a missing one does not end the instrumentation.

`opentelemetry-distro` chooses gRPC by default. If only the OTLP/HTTP exporter is installed, the SDK
then fails to start, and no instrumentation is loaded. The entry points of this package have the names of the real
exporters and resolve as follows:

* an installed exporter of that protocol: always that one, unchanged;
* gRPC by default and only OTLP/HTTP installed: the OTLP/HTTP exporter;
* otherwise: one warning with the package to install, and an exporter that discards.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from .own_log import own_logger

_logger = own_logger()

INSTALL: Final = "pip install 'opentelemetry-instrumentation-concurrency[otlp]'"
PROTOCOL_VARIABLE: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
HTTP: Final = "http/protobuf"
PACKAGES: Final = {
    "otlp_proto_grpc": "opentelemetry-exporter-otlp-proto-grpc",
    "otlp_proto_http": "opentelemetry-exporter-otlp-proto-http",
}
"""The package that provides each exporter."""
_SIGNALS: Final = {"Span": "traces", "Metric": "metrics", "Log": "logs"}
_PROTOCOLS: Final = {"Grpc": "otlp_proto_grpc", "Http": "otlp_proto_http"}
_GRPC_PORT: Final = 4317
_INITIAL_ENVIRONMENT: Final = Path("/proc/self/environ")
_warned: Final[set[str]] = set()


def __getattr__(attribute: str) -> Any:
    """Return the exporter class that an entry point names, such as ``GrpcSpanExporter``."""
    protocol, kind = attribute[:4], attribute[4:].removesuffix("Exporter")
    if protocol not in _PROTOCOLS or kind not in _SIGNALS or not attribute.endswith("Exporter"):
        raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
    return _exporter(_SIGNALS[kind], _PROTOCOLS[protocol])


def installed_exporter(signal: str, name: str) -> Any | None:
    """Return the exporter class of another package for a signal; None if there is none.

    Args:
        signal: ``traces``, ``metrics`` or ``logs``.
        name: Name of the entry point, such as ``otlp_proto_http``.
    """
    for point in entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        if not point.value.startswith(__name__):
            return point.load()
    return None


def _exporter(signal: str, name: str) -> Any:
    found = installed_exporter(signal, name)
    if found is not None:
        return found
    if name == "otlp_proto_grpc" and not _is_chosen(signal):
        found = installed_exporter(signal, "otlp_proto_http")
        if found is not None:
            _use_http()
            return found
    _warn_once(
        f"No telemetry is sent: the exporter for {_shown_protocol(name)} is not installed. Run {_remedy(signal, name)}."
    )
    return _discarding(signal)


def _remedy(signal: str, name: str) -> str:
    other = "otlp_proto_http" if name == "otlp_proto_grpc" else "otlp_proto_grpc"
    if installed_exporter(signal, other) is None:
        chosen = name == "otlp_proto_grpc" and _is_chosen(signal)
        return f"{INSTALL} and set {PROTOCOL_VARIABLE}={HTTP}" if chosen else INSTALL
    return f"pip install {PACKAGES[name]}, or set {PROTOCOL_VARIABLE}={_shown_protocol(other)}"


def _shown_protocol(name: str) -> str:
    return HTTP if name == "otlp_proto_http" else "grpc"


def _is_chosen(signal: str) -> bool:
    """Return whether the user asked for the protocol, instead of the distro's default."""
    upper = signal.upper()
    if os.environ.get(f"OTEL_EXPORTER_OTLP_{upper}_PROTOCOL"):
        return True
    if "otlp_proto_grpc" in os.environ.get(f"OTEL_{upper}_EXPORTER", ""):
        return True
    try:
        initial = _INITIAL_ENVIRONMENT.read_bytes().split(b"\0")
    except OSError:
        # Not Linux: treat the protocol as the distro's default.
        return False
    return any(each.startswith(f"{PROTOCOL_VARIABLE}=".encode()) and not each.endswith(b"=") for each in initial)


def _use_http() -> None:
    """Choose the protocol for child processes as well, which inherit the distro's default."""
    os.environ[PROTOCOL_VARIABLE] = HTTP
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    try:
        port = urlsplit(endpoint).port
    except ValueError:
        # Not an address: the exporter reports it.
        return
    if port == _GRPC_PORT:
        _warn_once(
            f"Only the OTLP/HTTP exporter is installed, but port {_GRPC_PORT} of OTEL_EXPORTER_OTLP_ENDPOINT usually "
            f"receives gRPC. Use port 4318, or run pip install {PACKAGES['otlp_proto_grpc']}."
        )


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        _logger.warning("%s", message)


def _discarding(signal: str) -> type:
    """Return an exporter class that discards everything: the application runs, and so does its instrumentation."""
    if signal == "traces":
        from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

        return type("DiscardingSpanExporter", (SpanExporter,), _methods(SpanExportResult.SUCCESS))
    if signal == "metrics":
        from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

        return type("DiscardingMetricExporter", (MetricExporter,), _methods(MetricExportResult.SUCCESS))
    from opentelemetry.sdk._logs import export

    # Both names changed in version 1.39 of the SDK.
    base = getattr(export, "LogRecordExporter", None) or export.LogExporter
    result = getattr(export, "LogRecordExportResult", None) or export.LogExportResult
    return type("DiscardingLogExporter", (base,), _methods(result.SUCCESS))


def _methods(success: object) -> dict[str, Any]:
    return {
        "__module__": __name__,
        "export": lambda _self, *_args, **_kwargs: success,
        "shutdown": lambda _self, *_args, **_kwargs: None,
        "force_flush": lambda _self, *_args, **_kwargs: True,
    }
