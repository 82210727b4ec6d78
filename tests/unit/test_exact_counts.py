"""Every number in the metrics, against a count that the program keeps itself."""

import asyncio
import gc

import pytest
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter, ObservableUpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


class Backend:
    """Collects as an exporter does, and adds up what comes as differences."""

    def __init__(self, temporality: AggregationTemporality) -> None:
        self.is_delta = temporality is AggregationTemporality.DELTA
        self.reader = InMemoryMetricReader(
            preferred_temporality={ObservableCounter: temporality, ObservableUpDownCounter: temporality}
        )
        self.totals: dict[str, float] = {}

    def collect(self) -> dict[str, float]:
        """Return the sum over all series of each metric of asyncio tasks."""
        found: dict[str, float] = {}
        for metric in self.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
            if metric.name.startswith("python.asyncio.task.") and not metric.name.endswith("age.max"):
                assert (metric.data.aggregation_temporality is AggregationTemporality.DELTA) == self.is_delta
                found[metric.name[20:]] = sum(point.value for point in metric.data.data_points)
        for name, value in found.items():
            self.totals[name] = self.totals.get(name, 0) + value if self.is_delta else value
        return self.totals


async def blocked(release: asyncio.Event) -> None:
    await release.wait()


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def fail() -> None:
    raise ValueError


def by_create_task(coro):
    return asyncio.create_task(coro)


def by_ensure_future(coro):
    return asyncio.ensure_future(coro)


def by_loop(coro):
    return asyncio.get_running_loop().create_task(coro)


def by_gather(coro):
    return asyncio.gather(coro)


@pytest.mark.parametrize("temporality", [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
def test_counts_agree_with_an_independent_count(run, temporality):
    """The sum over all series is the whole, whatever moved out of _OTHER, ended, failed or was destroyed meanwhile."""
    gc.collect()
    gc.disable()
    backend = Backend(temporality)
    ConcurrencyInstrumentor().instrument(
        meter_provider=MeterProvider([backend.reader]), reports="none", scan_interval=3600, max_sites=3
    )
    census = current_installation().census

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        release, kept = asyncio.Event(), []
        unrecorded = live_counts().tasks - 1
        created, destroyed, unretrieved = 1, 0, 0
        for create in (by_create_task, by_ensure_future, by_loop, by_gather):
            for number in range(12):
                kept.append(create(blocked(release)))
                await by_create_task(asyncio.sleep(0))
                created += 2
                if number % 3 == 0:
                    create(wait_for_ever())
                    asyncio.create_task(fail())
                    # asyncio says nothing when a task of `gather` is destroyed: it clears the flag itself.
                    destroyed += create is not by_gather
                    created, unretrieved = created + 2, unretrieved + 1
            await asyncio.sleep(0)
            gc.collect()
            for _ in range(2):
                census.scan()
                found = backend.collect()
                assert found["created"] == created
                # asyncio may still list a task whose coroutine the collector has just closed.
                live = [task for task in asyncio.all_tasks() if task.get_coro().cr_frame is not None]
                assert found["count"] == len(live) + unrecorded
                assert (found["destroyed"], found["unretrieved"]) == (destroyed, unretrieved)
                assert found["orphan.count"] == 0
        release.set()
        await asyncio.gather(*kept)
        del kept
        census.scan()
        found = backend.collect()
        assert (found["created"], found["count"]) == (created, 1 + unrecorded)

    try:
        run(main)
    finally:
        ConcurrencyInstrumentor().uninstrument()
        gc.enable()


async def run_job() -> None:
    raise ValueError


def start_job() -> None:
    asyncio.create_task(run_job())


def test_line_whose_tasks_all_fail_within_one_scan_has_a_series(run):
    """681 failures between two scans were in ``_OTHER`` alone and named nowhere."""
    reader = InMemoryMetricReader()
    ConcurrencyInstrumentor().instrument(meter_provider=MeterProvider([reader]), reports="none", scan_interval=3600)
    census = current_installation().census

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        census.scan()
        for _ in range(681):
            start_job()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        census.scan()

    try:
        run(main)
        metrics = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    finally:
        ConcurrencyInstrumentor().uninstrument()
    (unretrieved,) = (metric for metric in metrics if metric.name == "python.asyncio.task.unretrieved")
    found = {point.attributes["code.function.name"]: (point.value, point) for point in unretrieved.data.data_points}
    value, point = found[f"{__name__}.start_job"]
    assert value == 681
    assert point.attributes["python.asyncio.task.coroutine"] == f"{__name__}.run_job"
    assert found["_OTHER"][0] == 0
