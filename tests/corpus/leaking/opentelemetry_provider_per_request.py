"""Each request makes a tracer provider of its own and never shuts it down; the processor's thread stays.

Source: https://github.com/crewAIInc/crewAI/issues/2279
"""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

EXPECTED = {"trace_request": "orphaned"}
COUNT = 20  # The first ten threads of the SDK are its own.
THREADS = True
NEEDS = ("opentelemetry.sdk",)

providers = []


def trace_request():
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))  # guilty
    providers.append(provider)


async def handle(number):
    trace_request()


async def main(park):
    await park.requests(handle, 30, patience=1.0)
    await park()
    for provider in providers:
        provider.shutdown()
