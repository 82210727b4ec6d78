"""From scans to verdicts: everything that remembers earlier scans, asked in one order after each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Final

from ..census.census import Census
from ..census.columns import Columns
from ..census.look import Look
from ..census.pace import paced, rows_marked
from ..record.greenlets import threads_are_greenlets
from ..record.site import Kind, Site
from ..settings import Settings
from .crowds import are_declared, are_of_connections, crowded_without_owner
from .destroyed import DestroyedBook
from .fields import is_daemon
from .group import Group, choose_representative, representative_of
from .growth import GrowthWatch, growth_clause
from .ignored import IgnoreList
from .left_at_exit import left_at_exit
from .orphans import OrphanSearch, SiteOrphans
from .proof_schedule import ProofSchedule
from .residents import ResidentMemory
from .stalls import StallBook

ORPHANED: Final = 1
UNWAKEABLE: Final = 2
"""Values of ``Columns.is_orphan``."""

_KINDS: Final[tuple[Kind, ...]] = ("task", "thread")


@dataclass(slots=True)
class SiteVerdicts:
    """How many of a site's live ones are orphans, each in exactly one of the two."""

    orphaned: int = 0
    unwakeable: int = 0


@dataclass(slots=True)
class Diagnosed:
    """What one scan found.

    Attributes:
        groups: What may be reported.
        orphans: By site, how many of which verdict.
        suspects: The sites that grow or are crowded.
    """

    groups: list[Group] = field(default_factory=list)
    orphans: dict[Site, SiteVerdicts] = field(default_factory=dict)
    suspects: set[Site] = field(default_factory=set)


class Diagnosis:
    """Judges every scan.

    Args:
        settings: What was configured.
        started_at: When the process was instrumented, in seconds of the age clock.
    """

    def __init__(self, settings: Settings, started_at: float) -> None:
        self._settings = settings
        self._started_at = started_at
        self._since: dict[tuple[Site, str], float] = {}
        self.reasons: dict[int, str] = {}
        self.stalls = StallBook()
        self.destroyed = DestroyedBook()
        self._ignored = IgnoreList(settings.ignore)
        self._residents = ResidentMemory(settings.resident_limit, settings.resident_window)
        self._orphans = OrphanSearch(
            task_age=settings.task_age,
            thread_age=settings.thread_age,
            residents=self._residents,
            ignored=self._ignored,
            stalls=self.stalls,
        )
        self.proofs = ProofSchedule(settings.proof_interval)
        self._growth: GrowthWatch[Site] = GrowthWatch(
            window_s=settings.growth_window, scans=settings.growth_scans, minimum=settings.growth_min
        )

    @property
    def ages_s(self) -> tuple[float, ...]:
        """Ages in seconds that the census has to count by, for the growth rule."""
        return self._growth.ages_s

    def ignores(self, site: Site, task: Any) -> bool:
        """Tell whether somebody said that a task is no leak. Cost: one await chain if fingerprints are ignored."""
        return self._ignored.holds_site(site) or self._ignored.holds_task(site, task)

    def look(self, census: Census, look: Look, pause: Callable[[], None]) -> Diagnosed:
        """Judge a scan. The caller holds the census' lock.

        Args:
            census: Where the rows are.
            look: The scan.
            pause: Called between slices of work.
        """
        diagnosed = Diagnosed()
        if look.after_gap:
            self._growth.gap()
            self.proofs.gap()
            return diagnosed
        self.stalls.begin_look()
        self.reasons = {}
        for kind in _KINDS:
            found = self._orphans.search(kind, census, look, pause)
            if kind == "task":
                self.proofs.look(census.tasks, found, self._orphans, look, census.loops, pause)
            for orphans in found:
                columns = census.tasks if kind == "task" else census.threads
                self._add_orphans(columns, orphans, diagnosed, look, pause)
        self.stalls.end_look()
        self._add_proven_residents(census, diagnosed, look)
        self._add_growing(census, look, diagnosed, pause)
        diagnosed.groups += self.destroyed.groups(look.at)
        seen = {(group.site, group.verdict) for group in diagnosed.groups}
        self._since = {key: since for key, since in self._since.items() if key in seen}
        return diagnosed

    def look_at_exit(self, census: Census, look: Look) -> list[Group]:
        """Return what `asyncio.run` is about to cancel, by site. The caller holds the census' lock."""
        old = look.at - self._started_at >= self._settings.resident_window
        return left_at_exit(census, look, self._residents, self._ignored, old_process=old)

    def _add_orphans(
        self, columns: Columns, orphans: SiteOrphans, diagnosed: Diagnosed, look: Look, pause: Callable[[], None]
    ) -> None:
        proven = [row for row in paced(orphans.rows, pause) if columns.proof[row] == self.proofs.PROVEN]
        for row in proven:
            columns.is_orphan[row] = UNWAKEABLE
        others = [row for row in paced(orphans.rows, pause) if columns.is_orphan[row] == ORPHANED]
        if orphans.site.kind == "task":
            self.reasons.update((columns.serials[row], orphans.evidence[row]) for row in paced(others, pause))
            self.reasons.update(
                (
                    columns.serials[row],
                    f"{orphans.evidence[row]}, and {self.proofs.evidence(columns.references[row]())}",
                )
                for row in paced(proven, pause)
            )
        counted = diagnosed.orphans.setdefault(orphans.site, SiteVerdicts())
        counted.orphaned += len(others)
        counted.unwakeable += len(proven)
        everything = len(orphans.rows) >= orphans.live
        for verdict, rows in (("orphaned", others), ("unwakeable", proven)):
            if not rows:
                continue
            chosen, spans = choose_representative(columns, rows)
            if verdict == "orphaned":
                evidence = f"{orphans.evidence[chosen]}, nothing waits for it{_blocks_exit(columns, chosen)}"
            else:
                evidence = self.reasons[columns.serials[chosen]]
            group = self._group(orphans.site, verdict, columns, chosen, evidence, len(rows), look)
            group.spans, group.is_complete = spans, everything
            group.awaits_proof = self.proofs.awaits(columns, others)
            diagnosed.groups.append(group)

    def _add_proven_residents(self, census: Census, diagnosed: Diagnosed, look: Look) -> None:
        """Report residents that can never wake: a proof needs no age and no recurrence."""
        columns = census.tasks
        by_site: dict[int, list[int]] = {}
        for row in rows_marked(columns.proof, self.proofs.PROVEN):
            if not columns.is_orphan[row]:
                by_site.setdefault(columns.sites[row], []).append(row)
        for number, rows in by_site.items():
            site = census.recorder.task_sites.sites[number]
            if self._ignored.holds_site(site):
                continue
            for row in rows:
                columns.is_orphan[row] = UNWAKEABLE
            self.reasons.update((columns.serials[row], self.proofs.evidence(columns.references[row]())) for row in rows)
            chosen, spans = choose_representative(columns, rows)
            evidence = self.reasons[columns.serials[chosen]]
            group = self._group(site, "unwakeable", columns, chosen, evidence, len(rows), look)
            group.spans = spans
            diagnosed.groups.append(group)
            diagnosed.orphans.setdefault(site, SiteVerdicts()).unwakeable += len(rows)

    def _add_growing(self, census: Census, look: Look, diagnosed: Diagnosed, pause: Callable[[], None]) -> None:
        threads = () if threads_are_greenlets() else look.threads
        tallies = {tally.site: tally for tally in (*look.tasks, *threads)}
        older = {site: tally.older for site, tally in tallies.items() if not self._ignored.holds_site(site)}
        evidence = {
            growth.site: growth_clause(growth, growth.site.kind)
            for growth in self._growth.look(look.at, older)
            if growth.window_s > self._settings.growth_window or not are_of_connections(census, growth.site)
        }
        for tally in look.tasks:
            if tally.live > self._settings.live_limit and tally.site not in evidence and tally.site in older:
                crowd = crowded_without_owner(census.tasks, tally, self._settings.live_limit)
                if crowd is not None:
                    evidence[tally.site] = crowd
        for site, clause in evidence.items():
            columns = census.tasks if site.kind == "task" else census.threads
            rows = [row for row, number in enumerate(paced(columns.sites, pause)) if number == site.number]
            if site not in tallies or not rows or are_declared(columns, rows, site.kind):
                continue
            diagnosed.suspects.add(site)
            if site not in diagnosed.orphans:
                # Where there are orphans they are the leak, and say more.
                chosen, spans = choose_representative(columns, rows)
                group = self._group(site, "growing", columns, chosen, clause, tallies[site].live, look)
                group.spans, group.is_complete = spans, True
                diagnosed.groups.append(group)

    def _group(
        self, site: Site, verdict: Any, columns: Columns, row: int, evidence: str, count: int, look: Look
    ) -> Group:
        since = self._since.setdefault((site, verdict), look.at)
        return Group(site, verdict, count, evidence, since, representative_of(columns, row))


def _blocks_exit(columns: Columns, row: int) -> str:
    found = columns.references[row]()
    if issubclass(type(found), Thread) and not is_daemon(found):
        return ", it keeps the process from ending because it is no daemon"
    return ""
