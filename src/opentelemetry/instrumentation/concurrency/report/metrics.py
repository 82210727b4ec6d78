"""The metric instruments, whose callbacks read the last census.

- Callbacks never iterate over tasks and may run in any thread.
- Instruments cannot be removed from a meter, and the callback of a second one with the same name is ignored. Callbacks
  are therefore functions of this module that read the current source, and yield nothing without one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from ..diagnose.executor_use import ExecutorUse
from ..own_log import own_logger
from ..record.internals.of_asyncio import running_loop
from ..record.recorder import Recorder
from ..record.site import Kind
from .attributes import MEMORY_USAGE, THREAD_DAEMON, VERDICT, Attributes
from .function_series import FunctionAllocator
from .series import Counter, Publication, series_of
from .sinks import DROP_REASONS

_logger = own_logger()

DROP_REASON: Final = "python.leak.drop_reason"
KIND: Final = "python.leak.kind"
RECORDER: Final = "python.concurrency.recorder"
EXECUTOR_STATE: Final = "python.executor.thread.state"
DELAY_BOUNDARIES_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SCAN_BOUNDARIES_S: Final = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


class MetricSource(Protocol):
    """The values that the callbacks read."""

    def publication(self) -> Publication:
        """Return the last publication and mark it as read."""

    def age_of(self, created_at: float) -> float:
        """Return the current age in seconds of an object created at a time of the age clock."""

    def reports_dropped(self) -> dict[str, int]:
        """Return the number of dropped reports, by reason."""

    def hook_failures(self) -> int:
        """Return how many times a hook has raised."""

    def scan_age_s(self) -> float:
        """Return the seconds since the last scan, or since the start before the first one."""

    def uptime_s(self) -> float:
        """Return the seconds since instrumentation, or since the fork."""

    @property
    def recorder(self) -> Recorder:
        """The recorder of this process."""

    @property
    def functions(self) -> FunctionAllocator:
        """The series by function."""


_source: MetricSource | None = None


def set_metric_source(source: MetricSource | None) -> None:
    """Set the source of all instruments of this module; None for no values."""
    global _source
    _source = source


class Histograms:
    """The synchronous instruments. A failure is logged once and never interrupts a scan."""

    def __init__(self, meter: Meter) -> None:
        self._failed = False
        self._eventloop_delay: Histogram = meter.create_histogram(
            "python.asyncio.eventloop.delay",
            unit="s",
            description="Time until the event loop answers a ping.",
            explicit_bucket_boundaries_advisory=DELAY_BOUNDARIES_S,
        )
        self._scan_duration: Histogram = meter.create_histogram(
            "python.concurrency.scan.duration",
            unit="s",
            description="Duration of one scan of all live tasks and threads.",
            explicit_bucket_boundaries_advisory=_SCAN_BOUNDARIES_S,
        )

    def record_delay(self, delay_s: float, thread_name: str) -> None:
        """Record the delay of a thread's loop in seconds. Never raises."""
        self._record(self._eventloop_delay, delay_s, {"thread.name": thread_name})

    def record_scan(self, duration_s: float) -> None:
        """Record the duration of a scan in seconds. Never raises."""
        self._record(self._scan_duration, duration_s, {})

    def _record(self, histogram: Histogram, value: float, attributes: dict[str, str]) -> None:
        try:
            histogram.record(value, attributes)
        except Exception:  # a provider may raise anything
            if not self._failed:
                self._failed = True
                _logger.warning("The meter provider failed; later failures are not logged.", exc_info=True)


Reader = Callable[[MetricSource], Iterator[Observation]]


def _counted(kind: Kind, counter: Counter) -> Reader:
    def read(source: MetricSource) -> Iterator[Observation]:
        for series in series_of(source.publication(), kind):
            yield Observation(series.counters[counter], series.attributes)

    return read


def _oldest(kind: Kind) -> Reader:
    def read(source: MetricSource) -> Iterator[Observation]:
        for series in series_of(source.publication(), kind):
            yield Observation(0.0 if series.oldest_at is None else source.age_of(series.oldest_at), series.attributes)

    return read


def _orphans(kind: Kind) -> Reader:
    def read(source: MetricSource) -> Iterator[Observation]:
        for series in series_of(source.publication(), kind):
            for verdict, count in series.orphans.items():
                if verdict in series.verdicts:
                    yield Observation(count, {**series.attributes, VERDICT: verdict})

    return read


def _memory(source: MetricSource) -> Iterator[Observation]:
    for series in series_of(source.publication(), "task"):
        for verdict, size in series.memory.items():
            yield Observation(size, {**series.attributes, VERDICT: verdict})


def _live_tasks(source: MetricSource) -> Iterator[Observation]:
    for series in series_of(source.publication(), "task"):
        yield Observation(series.live, series.attributes)


def _live_threads(source: MetricSource) -> Iterator[Observation]:
    for series in series_of(source.publication(), "thread"):
        for is_daemon, count in ((True, series.daemons), (False, series.live - series.daemons)):
            if is_daemon in series.daemon_values:
                yield Observation(count, {**series.attributes, THREAD_DAEMON: is_daemon})


def _executors(source: MetricSource) -> Iterator[tuple[ExecutorUse, Attributes]]:
    for series in series_of(source.publication(), "thread"):
        if series.executors is not None:
            yield series.executors, series.attributes


def _workers(source: MetricSource) -> Iterator[Observation]:
    for use, attributes in _executors(source):
        yield Observation(use.idle, {**attributes, EXECUTOR_STATE: "idle"})
        yield Observation(use.busy, {**attributes, EXECUTOR_STATE: "busy"})


def _of_executors(value: Callable[[ExecutorUse], int]) -> Reader:
    def read(source: MetricSource) -> Iterator[Observation]:
        for use, attributes in _executors(source):
            yield Observation(value(use), attributes)

    return read


def _oldest_queued(source: MetricSource) -> Iterator[Observation]:
    for use, attributes in _executors(source):
        queued_at = use.oldest_queued_at
        yield Observation(0.0 if queued_at is None else source.age_of(queued_at), attributes)


def _unfinished(source: MetricSource) -> Iterator[Observation]:
    for series in source.functions.unfinished(source.recorder):
        yield Observation(series.count, series.attributes)


def _unawaited(source: MetricSource) -> Iterator[Observation]:
    for series in source.functions.unawaited(source.recorder):
        yield Observation(series.count, series.attributes)


def _suspects(source: MetricSource) -> Iterator[Observation]:
    for kind, count in source.publication().suspects.items():
        yield Observation(count, {KIND: kind})


def _dropped(source: MetricSource) -> Iterator[Observation]:
    dropped = source.reports_dropped()
    for reason in DROP_REASONS:
        yield Observation(dropped.get(reason, 0), {DROP_REASON: reason})


def _uptime(source: MetricSource) -> Iterator[Observation]:
    yield Observation(source.uptime_s(), {RECORDER: source.recorder.task_recorder.name})


def _one(value: Callable[[MetricSource], float]) -> Reader:
    def read(source: MetricSource) -> Iterator[Observation]:
        yield Observation(value(source))

    return read


_MANY: Final = 20
"""Number of series of one instrument above which its callback pauses."""
_MOMENT_S: Final = 0.00005

_UP_DOWN: Final = "create_observable_up_down_counter"
_COUNTER: Final = "create_observable_counter"
_GAUGE: Final = "create_observable_gauge"

OBSERVED: Final[tuple[tuple[str, str, str, str, Reader], ...]] = (
    (_UP_DOWN, "python.asyncio.task.count", "{task}", "Live tasks.", _live_tasks),
    (_UP_DOWN, "python.thread.count", "{thread}", "Live threads.", _live_threads),
    (_COUNTER, "python.asyncio.task.created", "{task}", "Tasks created.", _counted("task", "created")),
    (_COUNTER, "python.thread.created", "{thread}", "Threads started.", _counted("thread", "created")),
    (_GAUGE, "python.asyncio.task.age.max", "s", "Age of the oldest live task.", _oldest("task")),
    (_GAUGE, "python.thread.age.max", "s", "Age of the oldest live thread.", _oldest("thread")),
    (
        _UP_DOWN,
        "python.asyncio.task.orphan.count",
        "{task}",
        "Tasks without an owner that outlived their creator.",
        _orphans("task"),
    ),
    (_UP_DOWN, "python.thread.orphan.count", "{thread}", "Threads that outlived their creator.", _orphans("thread")),
    (
        _COUNTER,
        "python.asyncio.task.destroyed",
        "{task}",
        "Tasks garbage-collected while pending.",
        _counted("task", "destroyed"),
    ),
    (
        _COUNTER,
        "python.asyncio.task.unretrieved",
        "{task}",
        "Tasks whose exception was never retrieved.",
        _counted("task", "unretrieved"),
    ),
    (
        _COUNTER,
        "python.asyncio.generator.unfinished",
        "{generator}",
        "Asynchronous generators that were left half way and closed by the event loop.",
        _unfinished,
    ),
    (
        _COUNTER,
        "python.asyncio.coroutine.unawaited",
        "{coroutine}",
        "Coroutines that were never awaited.",
        _unawaited,
    ),
    (
        _UP_DOWN,
        "python.leak.suspect.count",
        "{site}",
        "Sites whose number of live tasks or threads keeps growing.",
        _suspects,
    ),
    (_UP_DOWN, "python.executor.thread.count", "{thread}", "Workers of executors.", _workers),
    (
        _UP_DOWN,
        "python.executor.thread.limit",
        "{thread}",
        "Maximum number of workers of executors.",
        _of_executors(lambda use: use.limit),
    ),
    (
        _UP_DOWN,
        "python.executor.queue.size",
        "{item}",
        "Calls that wait for a worker.",
        _of_executors(lambda use: use.queued),
    ),
    (_GAUGE, "python.executor.queue.age.max", "s", "Age of the oldest call that waits for a worker.", _oldest_queued),
    (_UP_DOWN, MEMORY_USAGE, "By", "Memory that would be free if the leaked tasks ended.", _memory),
    (
        _UP_DOWN,
        "python.concurrency.site.count",
        "{site}",
        "Known creation sites.",
        _one(lambda source: source.publication().sites_known),
    ),
    (
        _UP_DOWN,
        "python.concurrency.site.overflow",
        "{site}",
        "Sites folded into _OTHER because MAX_SITES was reached.",
        _one(lambda source: source.publication().sites_overflowing),
    ),
    (
        _UP_DOWN,
        "python.concurrency.proof.unexamined",
        "{task}",
        "Old tasks that the proof has not examined yet, or could not.",
        _one(lambda source: source.publication().tasks_unexamined),
    ),
    (_COUNTER, "python.concurrency.report.dropped", "{report}", "Reports that were not sent.", _dropped),
    (
        _GAUGE,
        "python.concurrency.scan.age",
        "s",
        "Time since the last scan.",
        _one(lambda source: source.scan_age_s()),
    ),
    (_GAUGE, "python.concurrency.uptime", "s", "Time since instrumentation.", _uptime),
    (
        _COUNTER,
        "python.concurrency.hook.failed",
        "{failure}",
        "Exceptions raised by the hooks and scans of this package.",
        _one(lambda source: source.hook_failures()),
    ),
)
"""Method of the meter, name, unit, description and reader of every observable instrument."""


def create_instruments(meter: Meter) -> Histograms:
    """Create all instruments on ``meter``. Raises what the meter raises."""
    for method, name, unit, description, read in OBSERVED:
        getattr(meter, method)(name, callbacks=[_callback(read)], unit=unit, description=description)
    return Histograms(meter)


def _callback(read: Reader) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        source = _source
        found = [] if source is None else list(read(source))
        if len(found) > _MANY:
            _let_loops_run()
        return found

    return observe


def _let_loops_run() -> None:
    """Release the interpreter for a moment, unless the metrics are collected in the thread of an event loop.

    The SDK takes six milliseconds for a hundred sites, and another thread gets the interpreter only after five.
    """
    if "asyncio" in sys.modules and running_loop() is None:
        time.sleep(_MOMENT_S)
