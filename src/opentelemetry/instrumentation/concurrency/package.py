"""Package metadata for OpenTelemetry's tooling: dependencies and emitted signals."""

_instruments: tuple[str, ...] = ()
_supports_metrics = True
_semconv_status = "development"
