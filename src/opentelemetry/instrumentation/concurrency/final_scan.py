"""The final scans: tasks that outlived main or end by a signal, threads at exit.

- These scans destroy nothing. When main has returned, its tasks are often held by reference cycles only. A collection
  started by an allocation of a scan would end them before the application does, so the collector is off meanwhile.
- Their findings are sent. If a signal ends the process, `atexit` never runs, and the SDK would lose them.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from .census.registry import registered_tasks
from .census.scan import Scan
from .diagnose.left_at_exit import CANCELLED_BY_RUN, ENDED_BY_SIGNAL
from .diagnose.verdict.group import Group
from .own_log import own_logger
from .record.garbage_collection import collector_off
from .record.internals.of_asyncio import running_loop
from .record.site import Site
from .report.flush import flush_providers

if TYPE_CHECKING:
    from .census.census import Census
    from .installation import Installation

_logger = own_logger()

_ENDING_SIGNALS: Final = frozenset(
    number
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGBREAK")
    if (number := getattr(signal, name, None)) is not None
)
_NEWS_S: Final = 60.0
"""Age in seconds up to which a report may still be queued in a provider: the SDK's longest default interval."""


class FinalScan:
    """Scans once more when a loop or the process ends.

    Args:
        installation: The installation.
        providers: Tracer, logger and meter providers; flushed if there is a recent report.
    """

    def __init__(self, installation: Installation, providers: Sequence[Any]) -> None:
        self._installation = installation
        self._providers = providers
        self._ending_loop: tuple[Any, str] | None = None
        self._ends_process = False

    def groups(self, scan: Scan, known: list[Group]) -> list[Group]:
        """Return the groups of a scan together with tasks and threads that end now. The caller holds the census' lock.

        Args:
            scan: The scan.
            known: The groups found by the diagnosis.
        """
        diagnosis, census = self._installation.diagnosis, self._installation.census
        groups = list(known)
        if self._ending_loop is not None:
            groups = diagnosis.scan_at_exit(census, scan, groups, *self._ending_loop)
        if self._ends_process:
            groups += diagnosis.scan_at_process_exit(census, scan)
        return groups

    def before_cancel_all(self, loop: Any) -> None:
        """Scan the tasks that outlived main, which the caller holds, and send the findings."""
        if threading.current_thread() is not threading.main_thread() or not sys.modules["asyncio"].all_tasks(loop):
            return
        installation = self._installation
        with collector_off():
            self._ending_loop = loop, CANCELLED_BY_RUN
            try:
                installation.census.scan(final=True)
                with installation.census.locked():
                    installation.reporter.end_with_main(_task_sites_on(loop, installation.census))
            finally:
                self._ending_loop = None
        self._flush_news()

    def before_signal(self, number: int) -> None:
        """Scan and send the findings if the signal ends this process."""
        if number not in _ENDING_SIGNALS or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(number) is not signal.SIG_DFL or self._installation.census.is_closed:
            return
        loop = running_loop()
        with collector_off():
            self._ending_loop = None if loop is None else (loop, ENDED_BY_SIGNAL)
            self._ends_process = True
            try:
                self._installation.census.scan(final=True)
            finally:
                self._ending_loop, self._ends_process = None, False
        self._flush_news()

    def at_exit(self) -> None:
        """Stop the package's threads and scan what still runs. Never raises."""
        installation = self._installation
        try:
            with collector_off():
                # Held until the scan is over: a later exit handler of the application may want to end them itself.
                held = list(registered_tasks(installation.census.loops))
                installation.stop_threads()
                if installation.census.last_scan is not None:
                    self._ends_process = True
                    installation.census.scan(final=True)
                del held
        except Exception:  # an exit handler must not disturb the exit
            _logger.exception("The final scan at exit failed.")

    def _flush_news(self) -> None:
        age_s = self._installation.reporter.newest_report_age_s()
        if age_s is not None and age_s < _NEWS_S:
            flush_providers(self._providers)


def _task_sites_on(loop: Any, census: Census) -> set[Site]:
    """Return the sites of the tasks of an event loop. The caller holds the census' lock."""
    sites, columns = census.recorder.task_sites.sites, census.tasks
    tasks = ((reference(), number) for reference, number in zip(columns.references, columns.sites, strict=True))
    return {sites[number] for task, number in tasks if task is not None and task.get_loop() is loop}
