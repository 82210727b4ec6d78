"""What runs while the process is instrumented, wired in the direction of the data.

record → census → diagnose → report. Everything else in this package is one of these parts; this is the only place
that knows them all.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import SeverityNumber

from .agent.late_agent import LateAgent
from .census.census import Census
from .census.counts import LiveCounts, count_live
from .census.look import Look
from .diagnose.diagnosis import Diagnosed, Diagnosis
from .record.fork import ends_with_its_last_thread, only_own_threads_are_left, watch_forks
from .record.recorder import Recorder
from .record.site import Site
from .report.attributes import CONTROL
from .report.blocked_loops import BlockedLoops
from .report.book import ReportBook
from .report.control import control_attributes
from .report.eventloop_delay import DelayProbe
from .report.metrics import Histograms, create_instruments, set_metric_source
from .report.reporter import Reporter
from .report.series import Publication, SeriesBook
from .report.shared_identity import warn_of_shared_identity
from .report.sinks import Sinks
from .settings import Settings

if TYPE_CHECKING:
    from .agent.dump_signal import DumpSignal
    from .agent.peer import Peer
    from .census.snapshot import Snapshot
    from .serve.http import DebugServer

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

_LAST_THREAD_LOOK_S: Final = 0.2


class Installation:
    """One instrumented process.

    Args:
        settings: What was configured.
        meter: Where metrics go; None for none.
        tracer: Where spans go.
        otel_logger: Where log records go.
    """

    def __init__(self, settings: Settings, *, meter: Any, tracer: Any, otel_logger: Any) -> None:
        self._settings = settings
        self._tracer = tracer
        self._otel_logger = otel_logger
        self._started_at = time.monotonic()
        self._last_scan_at = self._started_at
        self._leaves_main = False
        self._ends_with_its_last_thread = False
        self._delays_s: dict[str, float] = {}
        self._agent = LateAgent(self, settings.agent_dir, is_off=settings.agent_disabled)
        self._dump_signal: DumpSignal | None = None
        self._debug_server: DebugServer | None = None
        self.diagnosed = Diagnosed()
        self.recorder = Recorder(
            stack_depth=settings.stack_depth,
            stack_sampling=settings.stack_sampling,
            on_record=self._on_record,
            before_cancel_all=self._final_look,
            locate=self._locate,
            on_destroyed=self._on_destroyed,
        )
        self.census = Census(
            self.recorder,
            scan_interval=settings.scan_interval,
            on_look=self._on_look,
            between_looks=self._between_looks,
        )
        self._meter_type = f"{type(meter).__module__}.{type(meter).__qualname__}"
        self._histograms = self._instruments(meter)
        self._start_empty()

    def install(self) -> None:
        """Put the hooks in. The census starts with the first record."""
        self.census.open()
        self.recorder.install()
        watch_forks(self._before_fork, self._in_child, self._in_parent)
        if self._settings.metrics != "none":
            set_metric_source(self)
        atexit.register(self._at_exit)
        if self._settings.dump_signal:
            self._dump_signal = self._dumps_on_signal()
        self._open_debug_server()

    def uninstall(self) -> None:
        """Take everything out in reverse order."""
        atexit.unregister(self._at_exit)
        set_metric_source(None)
        watch_forks(None, None)
        self.recorder.uninstall()
        self.census.close()
        self._agent.close()
        if self._dump_signal is not None:
            self._dump_signal.uninstall()
        if self._debug_server is not None:
            self._debug_server.close()

    def _open_debug_server(self) -> None:
        if not self._settings.debug_address:
            return
        from .serve.http import DebugServer
        from .serve.live_source import LiveSource

        self._debug_server = DebugServer(self._settings, LiveSource(self))
        self._debug_server.open()

    def _dumps_on_signal(self) -> DumpSignal:
        from .agent.dump_signal import DumpSignal

        def dump(stream: Any) -> None:
            from .render.profile import write_profile

            write_profile("task", stream)
            write_profile("thread", stream)

        dumps = DumpSignal(self._settings.dump_signal, dump)
        dumps.install()
        return dumps

    def live_counts(self) -> LiveCounts:
        """Count living tasks and threads now."""
        with self.census.locked():
            return count_live(self.census)

    def take_snapshot(self) -> Snapshot:
        """Picture every living task and thread."""
        from .diagnose.picture import take_picture

        with self.census.locked():
            return take_picture(self.census, self.diagnosis)

    # What the agent asks.

    @property
    def settings(self) -> Settings:
        """What was configured."""
        return self._settings

    def loop_delays(self) -> dict[str, float]:
        """Return the last delay of each event loop in seconds, by the name of its thread."""
        return dict(self._delays_s)

    def telemetry(self) -> dict[str, str]:
        """Return the types of the tracer and logger in use, and whether there are metrics."""
        return {
            "tracer": f"{type(self._tracer).__module__}.{type(self._tracer).__qualname__}",
            "logger": f"{type(self._otel_logger).__module__}.{type(self._otel_logger).__qualname__}",
            "meter": self._meter_type,
        }

    def tell_control(self, action: str, peer: Peer, shown_filter: str, count: int) -> None:
        """Tell telemetry and log that somebody controls this process, before it happens."""
        attributes = control_attributes(action, peer.uid, peer.process_id, shown_filter, count)
        what = f"{action} ({shown_filter}, {count})" if shown_filter else action
        _logger.warning("otel-concurrency %s, by user %d, process %d.", what, peer.uid, peer.process_id)
        self._sinks.send(CONTROL, attributes, severity=SeverityNumber.INFO, is_report=False)

    # What the metric callbacks ask.

    def publication(self) -> Publication:
        """Return the last publication, and note that it was read."""
        if self.recorder.task_sites.sites or self.recorder.thread_sites.sites:
            # After a fork, a parent that creates nothing more still wants its numbers true.
            self.census.ensure_running()
        publication = self._series.publication
        publication.was_read = True
        return publication

    def age_of(self, created_at: float) -> float:
        """Return the present age in seconds of something created at a time of the age clock."""
        return max(0.0, self.census.clock.now() - created_at)

    def reports_dropped(self) -> dict[str, int]:
        """Return how many reports were dropped, by reason."""
        return self._reporter.dropped

    def hook_failures(self) -> int:
        """Return how many times a hook of ours raised."""
        return self.recorder.hook_failures

    def scan_age_s(self) -> float:
        """Return the seconds since the last scan, or since the start if there was none."""
        return time.monotonic() - self._last_scan_at

    def uptime_s(self) -> float:
        """Return the seconds since instrumentation, or since the fork."""
        return time.monotonic() - self._started_at

    def _start_empty(self) -> None:
        """Make everything that remembers; also what a forked child does."""
        settings = self._settings
        self._started_at = self._last_scan_at = time.monotonic()
        self.diagnosis = Diagnosis(settings, self.census.clock.now())
        self.census.ages_s = self.diagnosis.ages_s
        self._series = SeriesBook(
            max_sites=settings.max_sites,
            granularity=settings.site_granularity,
            totals_only=settings.metrics == "totals",
        )
        sinks = self._sinks = Sinks(self._tracer, self._otel_logger, settings.reports, self._drop_report)
        self._reporter = Reporter(
            sinks,
            ReportBook(limit=settings.report_limit, repeat_s=settings.report_repeat, settle_s=settings.task_age),
            self.census.clock,
            self.diagnosis.stalls,
            stack_text_limit=settings.stack_text_limit,
            with_source=settings.report_source,
            with_names=settings.report_names,
        )
        self._blocked = BlockedLoops(
            settings.blocked_age,
            sinks,
            stack_text_limit=settings.stack_text_limit,
            with_source=settings.report_source,
        )
        self._delay = DelayProbe(self._record_delay, self._blocked.answered)

    def _drop_report(self, reason: str) -> None:
        self._reporter.drop(reason)

    def _instruments(self, meter: Any) -> Histograms | None:
        if meter is None or self._settings.metrics == "none":
            return None
        try:
            return create_instruments(meter)
        except Exception:
            _logger.warning("The meter provider failed; there will be no metrics.", exc_info=True)
            return None

    def _on_record(self) -> None:
        self.census.ensure_running()

    def _locate(self, address: int) -> Site | None:
        number = self.census.tasks.site_at(address)
        return None if number is None else self.recorder.task_sites.sites[number]

    def _on_destroyed(self, site: Site, task: Any) -> None:
        self.diagnosis.destroyed.note(site, task)

    def _on_look(self, look: Look, pause: Callable[[], None]) -> None:
        proofs = self.diagnosis.proofs.spent_s
        diagnosed = self.diagnosed = self.diagnosis.look(self.census, look, pause)
        self.census.not_counted_s += self.diagnosis.proofs.spent_s - proofs
        if not look.after_gap:
            recorder = self.recorder
            sites = recorder.task_sites.sites, recorder.thread_sites.sites
            self._series.publish(look, diagnosed, {"task": sites[0], "thread": sites[1]})
            groups = diagnosed.groups
            if self._leaves_main:
                groups += self.diagnosis.look_at_exit(self.census, look)
            self._reporter.scan(groups, look)
        self._last_scan_at = time.monotonic()
        if look.number == 1:
            warn_of_shared_identity()
        if self._histograms is not None:
            self._histograms.record_scan(self.census.last_duration_s)
        if self._pings and not look.final:
            self._delay.look(self.census.loops)
        for name in self.recorder.missing_hooks():
            _logger.warning(
                "%s was replaced by other code. Unless that calls what was there before, what it creates is found only "
                "by the census.",
                name,
            )

    @property
    def _pings(self) -> bool:
        return not self._settings.eventloop_delay_disabled and "asyncio" in sys.modules

    def _between_looks(self) -> float | None:
        again_s = None
        if self._ends_with_its_last_thread:
            if only_own_threads_are_left():
                self._leave_process()
                return None
            again_s = _LAST_THREAD_LOOK_S
        self._agent.ensure_running()
        if not self._pings:
            return again_s
        pending = self._delay.pending()
        self._blocked.check(pending)
        soon_s = self._blocked.wait_s(pending)
        return soon_s if again_s is None else min(again_s, soon_s or again_s)

    def _leave_process(self) -> None:
        """End our threads, in the scan thread, where nothing else keeps the process."""
        self._agent.close()
        if self._debug_server is not None:
            self._debug_server.close()
        self.census.suspend()
        # Raw threads are not seen; one that is there and creates something starts the census again.
        self.recorder.wake()

    def _record_delay(self, delay_s: float, thread_name: str) -> None:
        self._delays_s[thread_name] = delay_s
        if self._histograms is not None:
            self._histograms.record_delay(delay_s, thread_name)

    def _final_look(self, loop: Any) -> None:
        """Look once more while what outlived main still exists, and send what waits."""
        left = sys.modules["asyncio"].all_tasks(loop)
        if left and threading.current_thread() is threading.main_thread():
            del left
            self._leaves_main = True
            try:
                self.census.look(final=True)
                with self.census.locked():
                    self._reporter.end_with_main(self.census.task_sites_on(loop))
            finally:
                self._leaves_main = False

    def _at_exit(self) -> None:
        try:
            self.census.close()
            self._agent.close()
            if self.census.last_look is not None:
                self.census.look(final=True)
        except Exception:
            _logger.exception("The last look at exit failed.")

    def _before_fork(self) -> None:
        # First: it waits for an import in the scan thread, which the census then stops.
        self._agent.suspend()
        self.census.suspend()
        self.recorder.wake()

    def _in_parent(self) -> None:
        self._agent.resume()

    def _in_child(self) -> None:
        self._agent.forget()
        self._delays_s = {}
        self.recorder.start_empty()
        self.census.forget()
        self._start_empty()
        if self._debug_server is not None:
            self._debug_server.forget()
            self._debug_server.open()
        self._ends_with_its_last_thread = ends_with_its_last_thread()
        if self._ends_with_its_last_thread and self._debug_server is not None:
            self.census.ensure_running()
