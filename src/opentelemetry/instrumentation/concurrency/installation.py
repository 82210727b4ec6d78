"""The installation: all parts that run while the process is instrumented.

They are connected in the direction of the data: record → census → diagnose → report. This is the only module that knows
all parts.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from .agent.late_agent import LateAgent
from .census.census import Census
from .census.scan import Scan
from .diagnose.diagnosis import Diagnosis
from .diagnose.verdict.finding import Finding
from .diagnose.verdict.group import Group
from .final_scan import FinalScan
from .instrumented import InstrumentedProcess, set_current_process
from .live_process import LiveProcess
from .own_log import own_logger
from .record.fork import (
    application_has_threads,
    ends_with_its_last_thread,
    may_start_threads_in_parent,
    only_own_threads_are_left,
    watch_forks,
)
from .record.garbage_collection import collector_off
from .record.own_thread import daemon_threads_are_allowed
from .record.recorder import Recorder
from .record.site import Site
from .report.blocked_loops import BlockedLoops
from .report.control import report_control
from .report.eventloop_delay import DelayProbe
from .report.function_series import FunctionAllocator
from .report.metrics import Histograms, create_instruments, set_metric_source
from .report.reporter import Reporter
from .report.scheduler import ReportScheduler
from .report.series import Publication, SeriesAllocator
from .report.shared_identity import warn_of_shared_identity
from .report.silent_loops import LoopQuestions, SilentLoop
from .report.sinks import Sinks
from .settings import Settings

if TYPE_CHECKING:
    from .agent.dump_signal import DumpSignal
    from .agent.peer import Peer
    from .serve.http import DebugServer

_logger = own_logger()

_LAST_THREAD_SCAN_S: Final = 0.2


class Installation:
    """The instrumentation of one process.

    Args:
        settings: The settings.
        meter: The meter; None for no metrics.
        tracer: The tracer for reports.
        otel_logger: The logger for reports.
        providers: The providers of these; flushed before a signal ends the process.
        make_dump_signal: Creates the handler that writes the profile on a signal, from the signal's name and the
            process.
        make_debug_server: Creates the server of the debug pages of a process.
    """

    diagnosis: Diagnosis

    def __init__(
        self,
        settings: Settings,
        *,
        meter: Any,
        tracer: Any,
        otel_logger: Any,
        providers: Sequence[Any] = (),
        make_dump_signal: Callable[[str, LiveProcess], DumpSignal],
        make_debug_server: Callable[[InstrumentedProcess], DebugServer],
    ) -> None:
        self._settings = settings
        self._tracer = tracer
        self._otel_logger = otel_logger
        self._started_at = time.monotonic()
        self._last_scan_at = self._started_at
        self._final_scan = FinalScan(self, providers)
        self._has_recorded = False
        self._ends_with_its_last_thread = False
        self._delays_s: dict[str, float] = {}
        self._agent = LateAgent(self, settings.agent_dir, is_off=settings.agent_disabled)
        self._make_dump_signal = make_dump_signal
        self._make_debug_server = make_debug_server
        self._dump_signal: DumpSignal | None = None
        self._debug_server: DebugServer | None = None
        self.recorder = Recorder(
            stack_depth=settings.stack_depth,
            stack_sampling=settings.stack_sampling,
            on_record=self._on_record,
            before_cancel_all=self._final_scan.before_cancel_all,
            before_signal=self._final_scan.before_signal,
            locate=self._locate,
            on_destroyed=self._on_destroyed,
            locate_living=self._locate_living,
            spawners=settings.spawners,
            application=settings.application,
            recorder=settings.recorder,
            count_unawaited=settings.count_unawaited,
        )
        self.census = Census(
            self.recorder,
            scan_interval=settings.scan_interval,
            on_scan=self._on_scan,
            between_scans=self._between_scans,
        )
        # Twice the age: the creator may end late, and two scans and two proofs must agree.
        self.census.schedule.settle_s = max(2 * settings.task_age, settings.thread_age) + 10 * settings.scan_interval
        self._meter_type = f"{type(meter).__module__}.{type(meter).__qualname__}"
        self._histograms = self._instruments(meter)
        self._start_empty()
        self.live = LiveProcess(self.census, self.diagnosis)

    def install(self) -> None:
        """Install the hooks. The census starts with the first record."""
        if daemon_threads_are_allowed():
            self.census.open()
        else:
            _logger.warning(
                "This sub-interpreter does not allow daemon threads: tasks are recorded and counted but never scanned, "
                "so there are no verdicts and no agent."
            )
        self.recorder.install()
        watch_forks(self._before_fork, self._in_child, self._in_parent)
        if self._settings.metrics != "none":
            set_metric_source(self)
        set_current_process(self)
        atexit.register(self._final_scan.at_exit)
        if self._settings.dump_signal:
            self._dump_signal = self._make_dump_signal(self._settings.dump_signal, self.live)
            self._dump_signal.install()
        self._open_debug_server()

    def uninstall(self) -> None:
        """Remove everything in reverse order without destroying tasks: see `collector_off`."""
        with collector_off():
            self._uninstall()

    def _uninstall(self) -> None:
        atexit.unregister(self._final_scan.at_exit)
        set_current_process(None)
        set_metric_source(None)
        watch_forks(None, None)
        self.recorder.uninstall()
        self.stop_threads()
        if self._dump_signal is not None:
            self._dump_signal.uninstall()
        if self._debug_server is not None:
            self._debug_server.close()

    def stop_threads(self) -> None:
        """Stop the scan thread and the agent permanently."""
        self.census.close()
        self._agent.close()

    def _open_debug_server(self) -> None:
        if not self._settings.debug_address or self.census.is_closed:
            return
        self._debug_server = self._make_debug_server(self)
        self._debug_server.open()

    # For the agent and the debug pages.

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self._settings

    def loop_delays(self) -> dict[str, float]:
        """Return the last delay of each event loop in seconds, by the name of its thread."""
        return dict(self._delays_s)

    def silent_loops(self, *, may_ask: bool) -> list[SilentLoop]:
        """Return the event loops that do not answer now.

        Args:
            may_ask: Whether to ping them and wait for up to `BLOCKED_AGE`; otherwise only unanswered pings count.
        """
        if not self._pings:
            return []
        if not may_ask:
            return self._questions.silent(None)
        with self.census.locked():
            self.census.admit_young()
            self.census.loops.discover(self.census.clock.now())
            loops = list(self.census.loops)
        return self._questions.silent(loops)

    def telemetry(self) -> dict[str, str]:
        """Return the types of the tracer, logger and meter in use."""
        return {
            "tracer": f"{type(self._tracer).__module__}.{type(self._tracer).__qualname__}",
            "logger": f"{type(self._otel_logger).__module__}.{type(self._otel_logger).__qualname__}",
            "meter": self._meter_type,
        }

    def report_control_action(self, action: str, peer: Peer, shown_filter: str, count: int) -> None:
        """Report to telemetry and log a control action on this process before it is carried out."""
        report_control(self._sinks, action, peer.uid, peer.process_id, shown_filter, count)

    # Read by the metric callbacks.

    def publication(self) -> Publication:
        """Return the last publication and mark it as read."""
        if self._has_recorded:
            # After a fork, a parent without further creations still needs current values.
            self.census.ensure_running()
        return self._series.read()

    def age_of(self, created_at: float) -> float:
        """Return the current age in seconds of an object created at a time of the age clock."""
        return max(0.0, self.census.clock.now() - created_at)

    def reports_dropped(self) -> dict[str, int]:
        """Return the number of dropped reports, by reason."""
        return self.reporter.dropped

    def hook_failures(self) -> int:
        """Return how many times a hook or scan of this package has raised."""
        return self.recorder.hook_failures + self.census.failures

    def scan_age_s(self) -> float:
        """Return the seconds since the last scan, or since the start before the first one."""
        return time.monotonic() - self._last_scan_at

    def uptime_s(self) -> float:
        """Return the seconds since instrumentation, or since the fork."""
        return time.monotonic() - self._started_at

    def _start_empty(self) -> None:
        """Create all parts that keep state. Also called in a forked child."""
        settings = self._settings
        self._started_at = self._last_scan_at = time.monotonic()
        self.diagnosis = Diagnosis(settings, self.census.clock.now())
        self.census.ages_s = self.diagnosis.ages_s
        limits: dict[str, Any] = {
            "max_sites": settings.max_sites,
            "granularity": settings.site_granularity,
            "totals_only": settings.metrics == "totals",
        }
        self._series, self.functions = SeriesAllocator(**limits), FunctionAllocator(**limits)
        sinks = self._sinks = Sinks(self._tracer, self._otel_logger, settings.reports, self._drop_report)
        self.reporter = Reporter(
            sinks,
            ReportScheduler(limit=settings.report_limit, repeat_s=settings.report_repeat, settle_s=settings.task_age),
            self._describe,
            stack_text_limit=settings.stack_text_limit,
            with_source=settings.report_source,
            with_names=settings.report_names,
            to_creator=settings.report_to_creator,
        )
        self._blocked = BlockedLoops(
            settings.blocked_age,
            sinks,
            stack_text_limit=settings.stack_text_limit,
            with_source=settings.report_source,
        )
        self._delay = DelayProbe(self._record_delay, self._blocked.answered)
        self._questions = LoopQuestions(self._delay, settings.blocked_age)

    def _describe(self, group: Group) -> Finding | None:
        return self.live.describe(group)

    def _drop_report(self, reason: str) -> None:
        self.reporter.drop(reason)

    def _instruments(self, meter: Any) -> Histograms | None:
        if meter is None or self._settings.metrics == "none":
            return None
        try:
            return create_instruments(meter)
        except Exception:  # a provider may raise anything
            _logger.warning("The meter provider failed; there will be no metrics.", exc_info=True)
            return None

    def _on_record(self) -> None:
        self._has_recorded = True
        self.census.ensure_running()

    def _locate(self, address: int) -> Site | None:
        number = self.census.tasks.site_at(address)
        return None if number is None else self.recorder.task_sites.sites[number]

    def _locate_living(self, task: Any) -> Site | None:
        number = self.census.tasks.site_of(task)
        return None if number is None else self.recorder.task_sites.sites[number]

    def _on_destroyed(self, site: Site, task: Any) -> None:
        self.diagnosis.destroyed.note(site, task)

    def _on_scan(self, scan: Scan, pause: Callable[[], None]) -> None:
        proofs = self.diagnosis.proofs.spent_s
        diagnosed = self.live.diagnosed = self.diagnosis.scan(self.census, scan, pause)
        self.census.not_counted_s += self.diagnosis.proofs.spent_s - proofs
        self.census.schedule.has_rising = diagnosed.has_rising
        self.census.schedule.awaits_proof = self.diagnosis.proofs.can_confirm(scan.at)
        if not scan.after_gap:
            recorder = self.recorder
            sites = recorder.task_sites.sites, recorder.thread_sites.sites
            self._series.publish(scan, diagnosed, {"task": sites[0], "thread": sites[1]})
            self.reporter.scan(self._final_scan.groups(scan, diagnosed.groups), scan)
        self._last_scan_at = time.monotonic()
        if scan.number == 1:
            warn_of_shared_identity()
        if self._histograms is not None:
            self._histograms.record_scan(self.census.last_duration_s)
        if self._pings and not scan.final:
            self._delay.scan(self.census.loops)
        self.recorder.log_folding()
        for name in self.recorder.missing_hooks():
            _logger.warning(
                "%s was replaced by other code. Unless that code calls the replaced function, what it creates is found "
                "only by scans.",
                name,
            )

    @property
    def _pings(self) -> bool:
        return not self._settings.eventloop_delay_disabled and "asyncio" in sys.modules

    def _between_scans(self) -> float | None:
        again_s = None
        if self._ends_with_its_last_thread:
            if only_own_threads_are_left():
                self._leave_process()
                return None
            again_s = _LAST_THREAD_SCAN_S
        self._agent.ensure_running()
        if self._debug_server is not None:
            self._debug_server.resume()
        if not self._pings:
            return again_s
        pending = self._delay.pending()
        self._blocked.check(pending)
        soon_s = self._blocked.wait_s(pending)
        return soon_s if again_s is None else min(again_s, soon_s or again_s)

    def _leave_process(self) -> None:
        """End the package's threads, from the scan thread, when only they keep the process alive."""
        self._agent.close()
        if self._debug_server is not None:
            self._debug_server.close()
        self.census.suspend()
        # Raw threads are not visible here; if one creates something, the census starts again.
        self.recorder.wake()

    def _record_delay(self, delay_s: float, thread_name: str) -> None:
        self._delays_s[thread_name] = delay_s
        if self._histograms is not None:
            self._histograms.record_delay(delay_s, thread_name)

    def _before_fork(self) -> None:
        # First, because it waits for an import in the scan thread, which the census then stops.
        self._agent.suspend()
        self.census.suspend()
        # After the scan thread, which would restart it.
        if self._debug_server is not None:
            self._debug_server.suspend()
        self.recorder.wake()

    def _in_parent(self) -> None:
        if may_start_threads_in_parent():
            self._resume()

    def _resume(self) -> None:
        self.census.resume()
        self._agent.resume()
        if self._debug_server is not None:
            self._debug_server.resume()

    def _in_child(self) -> None:
        self._agent.forget()
        self._delays_s = {}
        self._has_recorded = False
        self.recorder.start_empty()
        self.census.forget()
        self._start_empty()
        self.live.start_empty(self.diagnosis)
        if self._debug_server is not None:
            self._debug_server.forget()
            self._debug_server.open(in_child=True)
        self._ends_with_its_last_thread = ends_with_its_last_thread()
        if self._ends_with_its_last_thread and self._debug_server is not None:
            self.census.ensure_running()
        if application_has_threads():
            # Another library's at-fork hook started it in the child before this one ran.
            self._on_record()
