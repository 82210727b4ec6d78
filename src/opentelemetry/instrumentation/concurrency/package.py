"""Facts about this package that OpenTelemetry's tooling reads: what it instruments and which signals it emits."""

_instruments: tuple[str, ...] = ()
_supports_metrics = True
_semconv_status = "development"
