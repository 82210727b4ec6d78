"""The OpenTelemetry SDK keeps threads that send spans, logs and metrics; a tenant has providers of its own.

Ten threads, started by requests that are over, in ``wait`` for most of their lives; and executors of their resources.

Source: https://opentelemetry.io/docs/languages/python/exporters/ (batching and periodic export)
"""

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

EXPECTED = {}
NEEDS = ("opentelemetry.sdk",)


class Silent(MetricExporter):
    def export(self, *args, **kwargs):
        return MetricExportResult.SUCCESS

    def force_flush(self, *args, **kwargs):
        return True

    def shutdown(self, *args, **kwargs):
        pass


async def main(park):
    providers = []

    async def handle(number):
        traces = TracerProvider(shutdown_on_exit=False)  # innocent
        traces.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
        reader = PeriodicExportingMetricReader(Silent(), export_interval_millis=3600_000)
        providers.extend([traces, MeterProvider([reader], shutdown_on_exit=False)])  # innocent
        with traces.get_tracer("shop").start_as_current_span("order"):
            pass

    await park.requests(handle, patience=1.0)
    await park()
    for provider in providers:
        provider.shutdown()
