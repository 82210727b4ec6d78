"""A service in simulated minutes, with every report it sends: for tests of verdicts."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from corpus import runner
from corpus.park import Park, SimulatedTime, watching
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from opentelemetry.instrumentation.concurrency import Snapshot, take_snapshot
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


@dataclass
class Service:
    """What a simulated service was seen to do.

    Attributes:
        events: Name and attributes of each report, in order.
        snapshot: Taken at the last look.
        orphans: Orphaned and unwakeable ones by creating function, without its module, at the last look.
        suspects: Creating functions of the sites suspected at the last look.
    """

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    snapshot: Snapshot | None = None
    orphans: dict[str, tuple[int, int]] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)

    def events_named(self, name: str) -> list[dict[str, Any]]:
        """Return the attributes of all reports of one name."""
        return [attributes for found, attributes in self.events if found == name]


def serve(main: Callable[[Park], Awaitable[None]], *, loop: runner.Loop = "asyncio", **settings: Any) -> Service:
    """Run ``main(park)`` as the corpus runs its programs, with reports, and return what was seen.

    Args:
        main: Lets time pass by ``park.advance(seconds)`` and ends with ``await park()``.
        loop: Which event loop.
        settings: Settings of the instrumentation.
    """
    # Tasks of an earlier test that only the collector frees would count as well.
    gc.collect()
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    service, clock = Service(), SimulatedTime()
    options = {"reports": "log", "logger_provider": provider, "stack_sampling": 1, **settings}
    with watching() as watcher, runner.instrumented(clock, options):
        scan = Park._scan

        park = Park(clock, watcher)
        park._scan = lambda: (scan(park), _note(service))  # type: ignore[method-assign]
        runner.run_main(lambda: main(park), loop)
    for record in exporter.get_finished_logs():
        entry = record.log_record
        service.events.append((entry.event_name or "", dict(entry.attributes or {})))
    return service


def _note(service: Service) -> None:
    installation = current_installation()
    service.snapshot = take_snapshot()
    diagnosed = installation.live.diagnosed
    service.orphans = {}
    for site, found in diagnosed.orphans.items():
        # A line has one site for each function that it runs.
        orphaned, unwakeable = service.orphans.get(_short(site), (0, 0))
        service.orphans[_short(site)] = (orphaned + found.orphaned, unwakeable + found.unwakeable)
    service.suspects = {_short(site) for site in diagnosed.suspects}


def _short(site: Any) -> str:
    return site.function.removeprefix(f"{site.module}.").rpartition(".")[2]
