"""The reporter: sends reports on groups, or counts them as dropped."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Hashable
from typing import Any, Final

from opentelemetry._logs import SeverityNumber

from ..census.scan import Scan
from ..diagnose.verdict.finding import Finding
from ..diagnose.verdict.group import Group
from ..record.repeated_failure import RepeatedFailure
from ..record.site import BEFORE_ATTACH, Site
from .attributes import (
    COUNT,
    FINGERPRINT,
    REASON,
    REPORT_ID,
    RESOLVED,
    VERDICT,
    Attributes,
    event_name,
    report_attributes,
    site_attributes,
)
from .scheduler import ReportScheduler
from .sinks import Sinks

_SEVERITY: Final = {
    "orphaned": SeverityNumber.WARN,
    "growing": SeverityNumber.WARN,
    "destroyed": SeverityNumber.WARN,
    "unwakeable": SeverityNumber.ERROR,
}


_MAX_CREATOR_SPANS: Final = 1000
"""Number of creators' spans remembered as having the event of a group."""


class Reporter:
    """Sends the reports due after each scan.

    Args:
        sinks: The sinks.
        scheduler: The schedule of reports.
        describe: Turns a group into values at the scan that found it; returns None if it has just ended.
        stack_text_limit: Maximum number of bytes of each stack text.
        with_source: Whether stacks include source lines.
        with_names: Whether to include task and thread names.
        to_creator: Whether the creator's span, while it records, gets the event of a group once.
    """

    def __init__(
        self,
        sinks: Sinks,
        scheduler: ReportScheduler,
        describe: Callable[[Group], Finding | None],
        *,
        stack_text_limit: int,
        with_source: bool,
        with_names: bool,
        to_creator: bool = False,
    ) -> None:
        self.dropped: dict[str, int] = {}
        self._sinks = sinks
        self._scheduler = scheduler
        self._describe = describe
        self._stack_text_limit = stack_text_limit
        self._with_source = with_source
        self._with_names = with_names
        self._to_creator = to_creator
        self._creator_spans: OrderedDict[tuple[Hashable, int], None] = OrderedDict()
        self._failure = RepeatedFailure("A leak report could not be created; the next scan tries again.")
        self._last: dict[Hashable, tuple[Finding, str]] = {}
        self._sites: dict[Hashable, Site] = {}

    def drop(self, reason: str) -> None:
        """Count a report that was not sent."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def newest_report_age_s(self) -> float | None:
        """Return the seconds since the last report was passed to a provider, or None before the first."""
        newest = self._sinks.newest_report_at
        return None if newest is None else time.monotonic() - newest

    def scan(self, groups: list[Group], scan: Scan) -> None:
        """Send the reports due after a scan. The caller holds the census' lock."""
        if self._sinks.is_off:
            return
        keyed = [((group.site.kind, group.site.number, group.verdict), group) for group in groups]
        due = self._scheduler.scan(keyed, scan.at, final=scan.final)
        for _ in range(due.newly_limited):
            self.drop("limit")
        for key, group in due.reports:
            try:
                self._report(key, group)
            except Exception as error:  # noqa: BLE001 (logged; the other reports are due as well)
                self._failure.note(error)
                self._scheduler.not_made(key)
                if scan.final:
                    self.drop("error")
        # Tasks that end with the process are not resolved, nor are sites that now have another verdict.
        judged = {group.site for group in groups}
        for key in () if scan.final else due.resolved:
            site = self._sites.pop(key, None)
            # Tasks from before `attach` may have moved to the site of the line that starts them.
            if site is not None and site not in judged and site.function != BEFORE_ATTACH:
                self._resolve(key)

    def end_with_main(self, sites: Container[Site]) -> None:
        """Never report the groups of these sites as resolved: `asyncio.run` ends their tasks, but the leak remains."""
        for key in [key for key, site in self._sites.items() if site in sites]:
            del self._sites[key]

    def _report(self, key: Hashable, group: Group) -> None:
        finding = self._describe(group)
        if finding is None:
            return
        report_id = os.urandom(8).hex()
        attributes = report_attributes(
            finding,
            report_id,
            stack_text_limit=self._stack_text_limit,
            with_source=self._with_source,
            with_names=self._with_names,
        )
        self._last[key] = (finding, report_id)
        self._sites[key] = group.site
        self._sinks.send(
            event_name(finding),
            attributes,
            severity=_SEVERITY[finding.verdict],
            links=finding.links,
            recording_span=self._recording_span(key, group) if self._to_creator else None,
        )
        if group.on_report is not None:
            group.on_report()

    def _recording_span(self, key: Hashable, group: Group) -> Any:
        """Return the span of the representative's creator if it records and has no event of this group yet."""
        creator = group.representative.creator_span if group.representative is not None else None
        span = None if creator is None else creator.recording_span()
        if creator is None or span is None:
            return None
        added = (key, creator.context.span_id)
        if added in self._creator_spans:
            return None
        self._creator_spans[added] = None
        if len(self._creator_spans) > _MAX_CREATOR_SPANS:
            self._creator_spans.popitem(last=False)
        return span

    def _resolve(self, key: Hashable) -> None:
        last = self._last.get(key)
        if last is None:
            return
        finding, report_id = last
        if finding.verdict == "destroyed":
            return
        reason = f"The {finding.count} {finding.kind}s reported at this site have ended."
        if finding.count == 1:
            reason = f"The {finding.kind} reported at this site has ended."
        if finding.verdict == "growing":
            reason = f"The number of {finding.kind}s of this site has stopped growing."
        attributes: Attributes = {
            **site_attributes(finding),
            VERDICT: finding.verdict,
            REASON: reason,
            COUNT: 0,
            FINGERPRINT: finding.fingerprint,
            REPORT_ID: report_id,
        }
        self._sinks.send(RESOLVED, attributes, severity=SeverityNumber.INFO, links=finding.links[:1])
