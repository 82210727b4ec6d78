"""A program that makes every metric and every event of ours, and prints what in-memory exporters got as JSON."""

import asyncio
import contextlib
import gc
import json
import queue
import threading
import time

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.agent.peer import Peer
from opentelemetry.instrumentation.concurrency.instrumentor import SCOPE, current_installation
from opentelemetry.instrumentation.concurrency.report import blocked_loops

held = set()
crowd = []


def spawn(coroutine):
    """The helper that the asyncio documentation advises: its callers are the creating lines."""
    task = asyncio.create_task(coroutine)
    held.add(task)
    return task


def spawn_unheld(coroutine):
    return asyncio.create_task(coroutine)


def spawn_thread(target, *arguments):
    threading.Thread(target=target, args=arguments, name="worker", daemon=True).start()


async def wait(future):
    await future


async def wait_briefly(gate):
    """Swallows every cancellation until the gate opens."""
    while not gate.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await gate.wait()


async def cancelled_once(task):
    """Ask a task to cancel once it waits."""
    await asyncio.sleep(0)
    task.cancel()


async def some_pages():
    yield "page"
    yield "page"


async def read_first_page():
    async for _ in some_pages():
        break


async def audit():
    pass


def forget_to_await():
    audit()


def work(orders):
    while orders.get() != "end":
        pass


async def leak_for_ever():
    """Proven: nothing can set the future but the task that waits for it."""
    spawn(wait(asyncio.get_running_loop().create_future()))


async def leak_until(gate):
    await cancelled_once(spawn(wait_briefly(gate)))


async def forget():
    """Two tasks that only each other hold: the garbage collector takes them."""
    futures = [asyncio.get_running_loop().create_future() for _ in range(2)]
    for future in futures:
        future.waits = spawn_unheld(wait(future))


async def leak_crowd(gate):
    crowd.append(spawn_unheld(wait_briefly(gate)))
    await cancelled_once(crowd[-1])


def leak_thread(tracer, orders):
    with tracer.start_as_current_span("nightly", kind=SpanKind.CONSUMER):
        spawn_thread(work, orders)


async def in_a_request(tracer, leak, *arguments):
    with tracer.start_as_current_span("GET /query", kind=SpanKind.SERVER):
        await asyncio.create_task(leak(*arguments))


async def seen(spans, name, expected=1):
    """Wait until so many reports of a name are there; the test's own time limit ends it."""
    while sum(span.name == name for span in spans.get_finished_spans()) < expected:
        await asyncio.sleep(0.05)


async def main(tracer, spans):
    gate, orders = asyncio.Event(), queue.Queue()
    await asyncio.to_thread(int)
    starter = threading.Thread(target=leak_thread, args=(tracer, orders))
    starter.start()
    starter.join()
    for _ in range(3):
        await in_a_request(tracer, leak_for_ever)
        await in_a_request(tracer, leak_until, gate)
    await in_a_request(tracer, forget)
    for _ in range(60):
        await in_a_request(tracer, leak_crowd, gate)
    await read_first_page()
    forget_to_await()
    await asyncio.sleep(0.5)
    gc.collect()
    for name in ("asyncio.task.orphaned", "thread.orphaned", "leak.suspected", "asyncio.task.destroyed"):
        await seen(spans, f"python.{name}")
    while not any(span.name.endswith("blocked") for span in spans.get_finished_spans()):
        # Its only purpose is to block the loop: the scan asks in between.
        time.sleep(1.5)
        await asyncio.sleep(0.2)
    current_installation().report_control_action("cancel", Peer(4711, 1000), "site shop.search.query", 3)
    gate.set()
    orders.put("end")
    await seen(spans, "python.leak.resolved", 3)


def metrics_of(reader):
    kinds = {"Sum": "counter", "Gauge": "gauge", "Histogram": "histogram"}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            if scope.scope.name != SCOPE:
                continue
            for metric in scope.metrics:
                kind = kinds[type(metric.data).__name__]
                if kind == "counter" and not metric.data.is_monotonic:
                    kind = "updowncounter"
                points = [dict(point.attributes) for point in metric.data.data_points]
                yield {"name": metric.name, "kind": kind, "unit": metric.unit, "points": points}


def run():
    blocked_loops.QUIET_S = 0.0
    spans, logs, reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
    tracers, loggers = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    ConcurrencyInstrumentor().instrument(
        tracer_provider=tracers,
        logger_provider=loggers,
        meter_provider=MeterProvider([reader], shutdown_on_exit=False),
        task_age=0.3,
        thread_age=0.3,
        scan_interval=0.1,
        live_limit=50,
        resident_limit=0,
        growth_window=1,
        proof_interval=1,
        agent_disabled=True,
        count_unawaited=True,
    )
    asyncio.run(main(tracers.get_tracer("shop"), spans))
    ours = [span for span in spans.get_finished_spans() if span.instrumentation_scope.name == SCOPE]
    print(
        json.dumps(
            {
                "metrics": list(metrics_of(reader)),
                "spans": [[dict(span.attributes), dict(span.events[0].attributes)] for span in ours],
                "span names": [[span.name, event.name] for span in ours for event in span.events],
                "span events": [
                    [event.name, dict(event.attributes)] for span in spans.get_finished_spans() for event in span.events
                ],
                "severities": [
                    [found.log_record.event_name, found.log_record.severity_text] for found in logs.get_finished_logs()
                ],
                "logs": [
                    [found.log_record.event_name, dict(found.log_record.attributes)]
                    for found in logs.get_finished_logs()
                ],
            }
        )
    )


if __name__ == "__main__":
    run()
