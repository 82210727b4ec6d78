"""The diagnosis: all rules that use earlier scans, applied after each scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Final

from ..census.census import Census
from ..census.columns import Columns
from ..census.pace import paced, rows_marked
from ..census.scan import Scan
from ..record.internals.of_threading import is_daemon
from ..record.long_lived import declared_function, declared_task
from ..record.site import Kind, Site
from ..settings import Settings
from .destroyed import DestroyedTasks
from .executor_use import ExecutorUse, ExecutorUses
from .executors import ExecutorWatch
from .growth.growing import GrowingSites
from .growth.growth import Rate
from .growth.spawning_lines import accuse_spawners
from .growth.stack_requests import StackRequests
from .impact.finished import FinishedWatch
from .impact.impact import ImpactWatch
from .introspection.last_waits import LastWaits
from .introspection.stalls import StallTracker
from .left_at_exit import left_at_exit
from .left_over_threads import threads_left_at_exit, young_left_over_threads
from .ownership.ignored import IgnoreList
from .ownership.orphans import OrphanSearch, SiteOrphans
from .ownership.residents import ResidentMemory
from .proof.schedule import ProofSchedule
from .row_memory import DiagnosisMemory
from .states import ProofState, RowVerdict
from .verdict.alike_groups import join_at_exit, merge_alike
from .verdict.group import Group, Verdict
from .verdict.representative import Members

_KINDS: Final[tuple[Kind, ...]] = ("task", "thread")


@dataclass(slots=True)
class SiteVerdicts:
    """Number of orphans of a site, each counted under exactly one verdict."""

    orphaned: int = 0
    unwakeable: int = 0


@dataclass(slots=True)
class Diagnosed:
    """The result of diagnosing one scan.

    Attributes:
        groups: Groups that may be reported.
        orphans: Number of orphans per verdict, by site.
        suspects: Sites that grow or exceed the live limit.
        has_rising: Whether the number of one of them rises, which later scans may refute.
        unexamined: Number of old tasks that the proof has not examined.
        executors: Use of the executors, by site.
        memory: Memory of leaked tasks in bytes, by site and verdict, where it was measured.
        rates: How fast the leaks of a site grow, where that is known.
    """

    groups: list[Group] = field(default_factory=list)
    orphans: dict[Site, SiteVerdicts] = field(default_factory=dict)
    suspects: set[Site] = field(default_factory=set)
    has_rising: bool = False
    unexamined: int = 0
    executors: dict[Site, ExecutorUse] = field(default_factory=dict)
    memory: dict[tuple[Site, Verdict], int] = field(default_factory=dict)
    rates: dict[Site, Rate] = field(default_factory=dict)

    def note_memory(self) -> None:
        """Set ``memory`` from the impact of the groups."""
        self.memory = {
            (group.site, group.verdict): group.impact.memory.bytes
            for group in self.groups
            if group.impact.memory is not None
        }


class Diagnosis:
    """Derives verdicts from every scan.

    Args:
        settings: The settings.
        started_at: When instrumentation started, in seconds of the age clock.
    """

    def __init__(self, settings: Settings, started_at: float) -> None:
        self._settings = settings
        self._started_at = started_at
        self._since: dict[tuple[Site, str], float] = {}
        self.memory = DiagnosisMemory()
        self.reasons: dict[int, str] = {}
        self.stalls = StallTracker()
        self._last_waits = LastWaits()
        self.destroyed = DestroyedTasks(self._last_waits)
        self._ignored = IgnoreList(settings.ignore)
        self._residents = ResidentMemory(settings.resident_limit, settings.resident_window)
        self._orphans = OrphanSearch(
            task_age=settings.task_age,
            thread_age=settings.thread_age,
            residents=self._residents,
            ignored=self._ignored,
            stalls=self.stalls,
            memory=self.memory,
        )
        self._executors = ExecutorWatch(settings.thread_age, self._ignored)
        self._executor_uses = ExecutorUses()
        self.proofs = ProofSchedule(settings.proof_interval, self.memory)
        self.finished = FinishedWatch(settings.proof_interval)
        self.impacts = ImpactWatch(settings.proof_interval, self.proofs)
        self._growing = GrowingSites(settings, self._ignored)
        self._stacks = StackRequests()

    @property
    def ages_s(self) -> tuple[float, ...]:
        """Ages in seconds for which the census counts older tasks and threads, for the growth rule."""
        return self._growing.ages_s

    @property
    def task_age(self) -> float:
        """The setting ``TASK_AGE``, in seconds."""
        return self._settings.task_age

    def ignores(self, site: Site, task: Any) -> bool:
        """Return whether a task is ignored by the settings. Cost: one await chain if fingerprints are ignored."""
        return self._ignored.holds_site(site) or self._ignored.holds_task(site, task)

    def scan(self, census: Census, scan: Scan, pause: Callable[[], None]) -> Diagnosed:
        """Diagnose a scan. The caller holds the census' lock.

        Args:
            census: The census.
            scan: The scan.
            pause: Called between slices of work.
        """
        diagnosed = Diagnosed(unexamined=self.proofs.unexamined)
        diagnosed.executors = self._executor_uses.scan(census, scan.at, pause)
        if scan.after_gap:
            self._growing.gap()
            self.proofs.gap()
            return diagnosed
        self.stalls.begin_scan()
        self.reasons = {}
        for kind in _KINDS:
            found = self._orphans.search(kind, census, scan, pause)
            if kind == "task":
                self.proofs.scan(census.tasks, found, self._orphans, scan, census.loops, pause)
                diagnosed.unexamined = self.proofs.unexamined
            is_task = kind == "task"
            columns = census.tasks if is_task else census.threads
            sites = (census.recorder.task_sites if is_task else census.recorder.thread_sites).sites
            if not is_task:
                found += self._stuck_executors(census, scan, {orphans.site for orphans in found})
            for orphans in found:
                self._add_orphans(columns, sites, orphans, diagnosed, scan, pause)
            accuse_spawners(diagnosed.groups, sites, {orphans.site for orphans in found})
        self.stalls.end_scan()
        self._add_other_proven(census, diagnosed, scan, pause)
        self._add_growing(census, scan, diagnosed, pause)
        leaking = {*diagnosed.orphans, *diagnosed.suspects}
        diagnosed.rates = {site: rate for site in leaking if (rate := self._growing.rate(site)) is not None}
        self._request_stacks(census, diagnosed, pause)
        self._last_waits.scan(census.tasks, pause)
        if not scan.final:
            self.finished.scan(census, scan.at, self.proofs, pause)
        diagnosed.groups += self.destroyed.groups(scan.at)
        seen = {(group.site, group.verdict) for group in diagnosed.groups}
        self._since = {key: since for key, since in self._since.items() if key in seen}
        diagnosed.groups = merge_alike(diagnosed.groups)
        self.impacts.scan(diagnosed.groups, scan, census, pause)
        diagnosed.note_memory()
        return diagnosed

    def scan_at_exit(self, census: Census, scan: Scan, known: list[Group], loop: Any, evidence: str) -> list[Group]:
        """Return the groups of a final scan, with the tasks that end with their loop, one group per site.

        Args:
            census: The census; its lock is held.
            scan: The scan.
            known: The groups found by `scan`.
            loop: The event loop that ends.
            evidence: How the loop ends, one of the clauses in `left_at_exit`.
        """
        old = scan.at - self._started_at >= self._settings.resident_window
        left = left_at_exit(
            census,
            scan,
            self._residents,
            self._ignored,
            self.memory.of(census.tasks),
            loop=loop,
            evidence=evidence,
            old_process=old,
        )
        return join_at_exit(known, merge_alike(left))

    def scan_at_process_exit(self, census: Census, scan: Scan) -> list[Group]:
        """Return the threads that end with the process, grouped by site. The caller holds the census' lock."""
        return merge_alike(
            threads_left_at_exit(census, scan, self._ignored, self.memory, self._settings.resident_limit)
        )

    def young_threads(self, census: Census, scan: Scan) -> list[Group]:
        """Return threads that will be leaks if they continue, grouped by site. The caller holds the census' lock."""
        age = self._settings.thread_age
        return merge_alike(young_left_over_threads(census, scan, self._ignored, self.memory, self._residents, age))

    def _stuck_executors(self, census: Census, scan: Scan, known: set[Site]) -> list[SiteOrphans]:
        """Return the workers of stuck executors at further sites, and mark the rows of all."""
        stuck, verdicts = self._executors.search(census, scan), self.memory.of(census.threads).verdict
        for workers in stuck:
            for row in workers.rows:
                verdicts[row] = RowVerdict.ORPHANED
        return [workers for workers in stuck if workers.site not in known]

    def _add_orphans(
        self,
        columns: Columns,
        sites: Sequence[Site],
        orphans: SiteOrphans,
        diagnosed: Diagnosed,
        scan: Scan,
        pause: Callable[[], None],
    ) -> None:
        is_proven, orphaned, memory = ProofState.PROVEN, RowVerdict.ORPHANED, self.memory.of(columns)
        proven = [row for row in paced(orphans.rows, pause) if memory.proof[row] == is_proven]
        for row in proven:
            memory.verdict[row] = RowVerdict.UNWAKEABLE
        others = [row for row in paced(orphans.rows, pause) if memory.verdict[row] == orphaned]
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
        sorted_out: tuple[tuple[Verdict, list[int]], ...] = (("orphaned", others), ("unwakeable", proven))
        for verdict, rows in sorted_out:
            if not rows:
                continue
            members = Members(columns, rows, sites)
            members.clause = self._clause(verdict, orphans, members)
            group = self._group(orphans.site, verdict, members, scan)
            group.is_complete = everything
            group.awaits_proof = self.proofs.awaits(columns, others)
            diagnosed.groups.append(group)

    def _clause(self, verdict: str, orphans: SiteOrphans, members: Members) -> Callable[[int], str]:
        columns = members.columns
        if verdict == "unwakeable":
            return self._proof_of(columns)
        # Only the evidence of these rows: the closure lives until the next scan.
        evidence = {row: orphans.evidence[row] for row in members.rows}
        if orphans.says_all:
            return evidence.__getitem__
        return lambda row: f"{evidence[row]}, and nothing waits for it{_blocks_exit(columns, row)}"

    def _proof_of(self, columns: Columns) -> Callable[[int], str]:
        reasons, serials, unexamined_at = self.reasons, columns.serials, self.proofs.unexamined_at

        def clause(row: int) -> str:
            unexamined = unexamined_at.get(columns.sites[row], 0)
            more = f"; {unexamined} more of the same site have not been examined" if unexamined else ""
            return reasons.get(serials[row], "") + more

        return clause

    def _add_other_proven(self, census: Census, diagnosed: Diagnosed, scan: Scan, pause: Callable[[], None]) -> None:
        """Report unwakeable tasks that are not orphans: a proof needs neither age nor recurrence nor a creator."""
        columns, sites = census.tasks, census.recorder.task_sites.sites
        memory = self.memory.of(columns)
        by_site: dict[int, list[int]] = {}
        for row in paced(rows_marked(memory.proof, ProofState.PROVEN), pause):
            if not memory.verdict[row] and self._may_be_reported(columns, row, sites[columns.sites[row]]):
                by_site.setdefault(columns.sites[row], []).append(row)
        for number, rows in by_site.items():
            for row in rows:
                memory.verdict[row] = RowVerdict.UNWAKEABLE
            self.reasons.update((columns.serials[row], self.proofs.evidence(columns.references[row]())) for row in rows)
            members = Members(columns, rows, sites, self._proof_of(columns))
            diagnosed.groups.append(self._group(sites[number], "unwakeable", members, scan))
            diagnosed.orphans.setdefault(sites[number], SiteVerdicts()).unwakeable += len(rows)

    def _may_be_reported(self, columns: Columns, row: int, site: Site) -> bool:
        """Return whether a task is neither declared long-lived nor ignored."""
        task = columns.references[row]()
        if task is None or self._ignored.holds_site(site) or declared_function(site.runs) is not None:
            return False
        if declared_task(task, columns.creators[row]) is not None:
            return False
        return not (self._ignored.has_fingerprints and self._ignored.holds_task(site, task))

    def _add_growing(self, census: Census, scan: Scan, diagnosed: Diagnosed, pause: Callable[[], None]) -> None:
        for growing in self._growing.scan(census, scan, pause):
            verdicts = [found for tally in growing.tallies if (found := diagnosed.orphans.get(tally.site)) is not None]
            orphans = sum(found.orphaned + found.unwakeable for found in verdicts)
            is_line = growing.site.number < 0
            if is_line and 2 * orphans >= growing.old:
                continue
            diagnosed.suspects.add(growing.site)
            diagnosed.has_rising = diagnosed.has_rising or growing.rises
            if verdicts and not is_line:
                # If the site has orphans, they are the leak, and their report contains more.
                continue
            is_task = growing.site.kind == "task"
            table = census.recorder.task_sites if is_task else census.recorder.thread_sites
            columns = census.tasks if is_task else census.threads
            members = Members(columns, growing.rows, table.sites)
            group = self._group(growing.site, "growing", members, scan)
            group.evidence, group.count, group.callers = growing.evidence, growing.count, growing.callers
            group.is_complete = True
            diagnosed.groups.append(group)

    def _request_stacks(self, census: Census, diagnosed: Diagnosed, pause: Callable[[], None]) -> None:
        """Request the creation stack of every further creation at suspected sites."""
        if not self._settings.stack_sampling:
            return
        everything: set[Site] = set()
        for kind in _KINDS:
            is_task = kind == "task"
            columns = census.tasks if is_task else census.threads
            age = self._settings.task_age if is_task else self._settings.thread_age
            watched = dict(self._orphans.watched[kind])
            for group in diagnosed.groups:
                if group.site.kind == kind and group.site.number >= 0 and group.members is not None:
                    watched.setdefault(group.site, group.count)
            self._stacks.scan(watched, columns, census.clock, age, pause)
            everything |= watched.keys()
        self._stacks.end(everything)

    def _group(self, site: Site, verdict: Verdict, members: Members, scan: Scan) -> Group:
        since = self._since.setdefault((site, verdict), scan.at)
        return Group(site, verdict, members.total, "", since, members=members)


def _blocks_exit(columns: Columns, row: int) -> str:
    found = columns.references[row]()
    if issubclass(type(found), Thread) and not is_daemon(found):
        return ", it keeps the process from ending because it is not a daemon"
    return ""
