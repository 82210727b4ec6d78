"""From groups of orphans to reports that got out, or are counted as dropped."""

from __future__ import annotations

import os
from collections.abc import Container, Hashable
from typing import Any, Final

from opentelemetry._logs import SeverityNumber

from ..census.ageing import AgeClock
from ..census.look import Look
from ..diagnose.group import Group
from ..diagnose.stalls import StallBook
from ..diagnose.verdict import Finding, describe
from ..record.site import Site
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
from .book import ReportBook
from .sinks import Sinks

_SEVERITY: Final = {
    "orphaned": SeverityNumber.WARN,
    "growing": SeverityNumber.WARN,
    "destroyed": SeverityNumber.WARN,
    "unwakeable": SeverityNumber.ERROR,
}


class Reporter:
    """Sends what is due after each scan.

    Args:
        sinks: Where to.
        book: When.
        clock: The age clock.
        stalls: Since when tasks wait for the same thing.
        stack_text_limit: Bytes of each stack text.
        with_source: Show source lines in stacks.
        with_names: Show task and thread names.
    """

    def __init__(
        self,
        sinks: Sinks,
        book: ReportBook[Group],
        clock: AgeClock,
        stalls: StallBook,
        *,
        stack_text_limit: int,
        with_source: bool,
        with_names: bool,
    ) -> None:
        self.dropped: dict[str, int] = {}
        self._sinks = sinks
        self._book = book
        self._clock = clock
        self._stalls = stalls
        self._stack_text_limit = stack_text_limit
        self._with_source = with_source
        self._with_names = with_names
        self._last: dict[Hashable, tuple[Finding, str]] = {}
        self._sites: dict[Hashable, Site] = {}

    def drop(self, reason: str) -> None:
        """Count one report that did not get out."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def scan(self, groups: list[Group], look: Look) -> None:
        """Send what is due after a scan. The caller holds the census' lock."""
        if self._sinks.is_off:
            return
        keyed = [((group.site.kind, group.site.number, group.verdict), group) for group in groups]
        due = self._book.scan(keyed, look.at, final=look.final)
        for _ in range(due.newly_limited):
            self.drop("limit")
        for key, group in due.reports:
            self._report(key, group)
        # What ends with the process was not mended, and what has another verdict now is not gone.
        judged = {group.site for group in groups}
        for key in () if look.final else due.resolved:
            site = self._sites.pop(key, None)
            if site is not None and site not in judged:
                self._resolve(key)

    def end_with_main(self, sites: Container[Site]) -> None:
        """Never say that the groups of these sites are gone: `asyncio.run` ends their tasks, and mends nothing."""
        for key in [key for key, site in self._sites.items() if site in sites]:
            del self._sites[key]

    def _report(self, key: Hashable, group: Group) -> None:
        finding = describe(group, self._clock, self._stalls)
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
            recording_span=_recording_span(group),
        )
        if group.on_report is not None:
            group.on_report()

    def _resolve(self, key: Hashable) -> None:
        last = self._last.get(key)
        if last is None:
            return
        finding, report_id = last
        if finding.verdict == "destroyed":
            return
        noun = f"{finding.kind}{'' if finding.count == 1 else 's'}"
        gone = f"The {finding.count} {noun} reported at this line are gone."
        if finding.verdict == "growing":
            gone = f"The number of {finding.kind}s created at this line has stopped growing."
        attributes: Attributes = {
            **site_attributes(finding),
            VERDICT: finding.verdict,
            REASON: gone,
            COUNT: 0,
            FINGERPRINT: finding.fingerprint,
            REPORT_ID: report_id,
        }
        self._sinks.send(RESOLVED, attributes, severity=SeverityNumber.INFO, links=finding.links[:1])


def _recording_span(group: Group) -> Any:
    span = group.representative.creator_span if group.representative is not None else None
    return span.recording_span() if span is not None else None
