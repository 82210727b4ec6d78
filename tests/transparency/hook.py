"""Sets an SDK up and instruments the process it is imported into, as the environment says.

Lies in the site-packages of each environment beside a ``.pth`` file that imports it: every interpreter that a test
starts is instrumented as well, the isolated ones too, which take no notice of ``PYTHONPATH``.
"""

import contextlib
import math
import os


def provide(*, threads):
    """Set providers that export over OTLP/HTTP, and export one metric, span and log record.

    Args:
        threads: Whether exports happen in threads of the SDK, as by default; else in the thread that records, metrics
            when the process exits.
    """
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    from opentelemetry import _logs, metrics, trace

    tracers = TracerProvider()
    tracers.add_span_processor((BatchSpanProcessor if threads else SimpleSpanProcessor)(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    logs = LoggerProvider()
    logs.add_log_record_processor((BatchLogRecordProcessor if threads else SimpleLogRecordProcessor)(OTLPLogExporter()))
    _logs.set_logger_provider(logs)
    interval_ms = 500 if threads else math.inf
    metrics.set_meter_provider(
        MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=interval_ms)])
    )
    metrics.get_meter("application").create_counter("started").add(1)
    with trace.get_tracer("application").start_as_current_span("start"):
        _logs.get_logger("application").emit(body="started")


if os.environ.get("TRANSPARENCY_SDK") in ("threads", "no threads"):
    # In a sub-interpreter much of it cannot be imported; `run.py` checks that exports arrive.
    with contextlib.suppress(Exception):
        provide(threads=os.environ["TRANSPARENCY_SDK"] == "threads")

if os.environ.get("TRANSPARENCY_HOW") == "instrumented":
    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

    ConcurrencyInstrumentor().instrument()
