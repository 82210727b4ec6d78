"""Schedule of background proofs, the choice of tasks, and the result per task.

A proof examines tasks older than the age limit: orphans first, then the others, one per site in turn, so that no site
hides another. It runs soon after new orphans appear or the number of old tasks has doubled, once more at the next scan,
because only results confirmed by a second proof count, and over all of them every ``PROOF_INTERVAL``.

Proofs use at most one per cent of a core, after an allowance at the start. A proof of new tasks takes as many of each
site as it and its confirmation can pay for, so that every site has an early verdict, with evidence from a part of its
tasks. Tasks that could not be examined are the first in the next run; their number is a metric and part of the
evidence. Being stuck is stable, so a result holds until a later proof of the same task differs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from ...census.columns import Columns
from ...census.pace import paced
from ...census.scan import Scan
from ..ownership.creator_ended import outlived_a_task
from ..ownership.orphans import OrphanSearch, SiteOrphans
from ..row_memory import DiagnosisMemory
from ..states import ProofState
from .turn import Turn
from .wait_graph import awaited_tasks, deadlocks
from .wakeability import Proof, ProofMemory, Stuck, alive, evidence, prove
from .woken_by_handles import FEW_OBJECTS

MAX_SUSPECTS: Final = 10_000
"""Maximum number of tasks per proof."""
MAX_WORK: Final = 4_000_000
"""Maximum number of references that one proof inspects: about two seconds of CPU time."""
FEW: Final = 2_000
"""Number of old tasks up to which every proof examines all, because related tasks decide about each other."""

_CPU_SHARE: Final = 0.01
_ALLOWANCE_S: Final = 3.0
_FAILED_WALKS_BEFORE_LONG: Final = 2
"""As long as no short walk has had a result; afterwards `_WALKS_IN_TURN` less one."""
_WALKS_IN_TURN: Final = 10
"""Of so many proofs in succession that got no result because timers and connections lead too far, all but one walk a
short way: the next moment may have no request that leads to everything, and a long walk costs the CPU time of minutes.
"""
_KEPT_FOR_RESULTS_S: Final = 0.8
"""Part of the allowance that proofs without results leave over: about what a first proof and its confirmation cost."""
_LEAST: Final = 300
"""Number of tasks that one proof may examine however little CPU time is left, so that it has a result at all. The first
proof, which shows how much CPU time a task takes, examines no more."""
_PATIENCE: Final = 2
"""Number of intervals after which a proof of all tasks no longer waits for those of new ones."""
_WITHOUT_VERDICT: Final = (ProofState.NEW, ProofState.SEEN_STUCK, ProofState.UNDECIDED)


class ProofSchedule:
    """Runs proofs and stores their results in ``RowMemory.proof``.

    Args:
        interval_s: Seconds between two proofs of all old tasks; 0 disables background proofs.
        memory: Keeps the results.

    Attributes:
        cycles: The await cycles, as of the last proof.
        undecided: Human-readable reason for undecided tasks in the last proof; empty if there are none.
        unexamined_at: By site number, how many tasks older than the age limit were not examined, as of the last scan;
            only sites with such tasks.
        spent_s: CPU time of all proofs, and of whatever else shares it, in seconds.
        turn: The right to run a proof.
    """

    def __init__(self, interval_s: float, memory: DiagnosisMemory) -> None:
        self._interval_s = interval_s
        self.turn = Turn()
        self._results = memory
        self._memory = ProofMemory()
        self._last_of_all_at = 0.0
        self._began_at: float | None = None
        self._cost_s = 0.0
        self.spent_s = 0.0
        self._confirm_next = False
        self._is_unfinished = False
        self._failed_walks = 0
        self._fails_before_long = _FAILED_WALKS_BEFORE_LONG
        self.cycles: tuple[tuple[Any, ...], ...] = ()
        self._cycle_of: dict[int, tuple[Any, ...]] = {}
        self.undecided = ""
        self.unexamined_at: dict[int, int] = {}

    @property
    def unexamined(self) -> int:
        """Number of tasks older than the age limit that were not examined, as of the last scan."""
        return sum(self.unexamined_at.values())

    def gap(self) -> None:
        """Drop the first of two proofs, because the process could not run in between."""
        self._memory.forget()

    def scan(
        self,
        columns: Columns,
        orphans: list[SiteOrphans],
        search: OrphanSearch,
        scan: Scan,
        loops: Iterable[Any],
        pause: Callable[[], None],
    ) -> None:
        """Run a proof if one is due, and store the results.

        Args:
            columns: The columns of tasks.
            orphans: The orphans by site.
            search: Provides the old tasks.
            scan: The scan.
            loops: The event loops of the process.
            pause: Lets the application run.
        """
        if not self._interval_s or scan.final:
            return
        counted = self._count_states(columns, search, pause)
        if self._began_at is None:
            self._began_at = self._last_of_all_at = scan.at
        if not self.can_afford(scan.at):
            return
        due = scan.at - self._last_of_all_at >= self._interval_s
        if not (due or self._confirm_next or self._has_news(columns, orphans, counted, pause)):
            return
        with self.turn.attempt() as may_run:
            if may_run:
                self._prove(columns, orphans, search, counted, scan.at, loops, pause)

    def _prove(
        self,
        columns: Columns,
        orphans: list[SiteOrphans],
        search: OrphanSearch,
        counted: Sequence[int],
        now: float,
        loops: Iterable[Any],
        pause: Callable[[], None],
    ) -> None:
        began = time.thread_time()
        of_all = self._is_of_all(counted, now)
        size = MAX_SUSPECTS if of_all else self._size(counted, now)
        rows = self._chosen(columns, orphans, search, size, of_all, pause)
        if rows:
            if len(rows) == min(sum(counted), MAX_SUSPECTS):
                self._last_of_all_at = now
            has_results = self._run(columns, rows, loops, pause)
            self._is_unfinished |= len(rows) >= size
            self._count_states(columns, search, pause)
        if rows and has_results:
            cost_s = (time.thread_time() - began) / len(rows)
            self._cost_s = (self._cost_s + cost_s) / 2 if self._cost_s else cost_s
        self.spent_s += time.thread_time() - began

    def note(
        self,
        columns: Columns,
        proven: Collection[int],
        cycles: Sequence[tuple[Any, ...]],
        pause: Callable[[], None],
    ) -> None:
        """Store the results of a proof on request. The caller holds the census' lock.

        Args:
            columns: The columns of tasks.
            proven: Serial numbers of tasks that two proofs agree on.
            cycles: The await cycles that they found.
            pause: Lets the application run.
        """
        states = self._results.of(columns).proof
        for row in paced(range(len(columns)), pause) if proven else ():
            if columns.serials[row] in proven:
                states[row] = ProofState.PROVEN
        known = set(self._cycle_of)
        self.cycles = (*self.cycles, *(cycle for cycle in cycles if not known & set(map(_address, cycle))))
        self._cycle_of.update((address, cycle) for cycle in cycles for member in cycle if (address := _address(member)))

    def _left_s(self, now: float) -> float:
        """Return the CPU time that proofs may use now, in seconds; negative if they have used too much."""
        return _ALLOWANCE_S + _CPU_SHARE * (now - (now if self._began_at is None else self._began_at)) - self.spent_s

    def can_afford(self, now: float) -> bool:
        """Return whether proofs have CPU time left."""
        return self._left_s(now) > self._kept_s()

    def _kept_s(self) -> float:
        """Return the CPU time that must be left for a proof: more if the last one ended without a result."""
        if not self._failed_walks:
            return 0.0
        return _KEPT_FOR_RESULTS_S / 4 if self._confirm_next else _KEPT_FOR_RESULTS_S

    def can_confirm(self, now: float) -> bool:
        """Return whether a proof has results to confirm, and CPU time left for it."""
        return self._confirm_next and self.can_afford(now)

    def _is_of_all(self, counted: Sequence[int], now: float) -> bool:
        """Return whether the next proof is the regular one of all old tasks, which waits for that of new ones."""
        since = now - self._last_of_all_at
        has_first = counted[ProofState.NEW] or counted[ProofState.SEEN_STUCK]
        return since >= self._interval_s * (_PATIENCE if has_first else 1)

    def _size(self, counted: Sequence[int], now: float) -> int:
        """Return how many tasks the next proof may examine so that a second one can confirm its results."""
        affordable = int(self._left_s(now) / 2 / self._cost_s) if self._cost_s else _LEAST
        return min(MAX_SUSPECTS, max(_LEAST, affordable, counted[ProofState.SEEN_STUCK]))

    def _has_news(
        self, columns: Columns, orphans: list[SiteOrphans], counted: Sequence[int], pause: Callable[[], None]
    ) -> bool:
        """Return whether there are new orphans, as many new old tasks as examined ones, or unexamined tasks."""
        if not counted[ProofState.NEW]:
            return False
        if self._is_unfinished or counted[ProofState.NEW] >= sum(counted) - counted[ProofState.NEW]:
            return True
        new, states = ProofState.NEW, self._results.of(columns).proof
        return any(states[row] == new for found in orphans for row in paced(found.rows, pause))

    def _chosen(
        self,
        columns: Columns,
        orphans: list[SiteOrphans],
        search: OrphanSearch,
        size: int,
        of_all: bool,
        pause: Callable[[], None],
    ) -> list[int]:
        """Return at most ``size`` rows: first those to confirm, then new ones, then the others.

        Unless it is a proof of all tasks, there are no more of the others than of the first, or `FEW` in all.
        """
        deadlocked, results = _deadlocked(columns, search.old_rows, pause), self._results.of(columns).proof
        first: list[Sequence[int]] = [found.rows for found in orphans]
        everything: list[Sequence[int]] = [*first, deadlocked, *search.old_rows_by_site]
        chosen: dict[int, None] = {}
        for states, lists in (
            ((ProofState.SEEN_STUCK,), everything),
            ((ProofState.NEW,), [*first, deadlocked]),
            ((ProofState.NEW,), everything),
            ((ProofState.PROVEN, ProofState.WAKEABLE, ProofState.UNDECIDED), everything),
        ):
            wanted = [[row for row in paced(rows, pause) if results[row] in states] for rows in lists]
            if ProofState.PROVEN in states and not of_all:
                size = min(size, max(2 * len(chosen), FEW))
            _take_in_turn(wanted, chosen, size)
            if len(chosen) >= size:
                break
        return list(chosen)[:size]

    def _run(self, columns: Columns, rows: list[int], loops: Iterable[Any], pause: Callable[[], None]) -> bool:
        """Run a proof and store its results. Return whether timers and connections let it have any."""
        row_of = {columns.addresses[row]: row for row in paced(rows, pause)}

        def left_behind(task: Any) -> bool:
            row = row_of.get(id(task), -1)
            return row >= 0 and outlived_a_task(columns.creators[row], columns.creator_spans[row])

        is_long = self._failed_walks % _WALKS_IN_TURN == self._fails_before_long
        proof = prove(
            alive(columns.references[row] for row in rows),
            loops=loops,
            pause=pause,
            left_behind=left_behind,
            max_work=MAX_WORK,
            reach=None if is_long else FEW_OBJECTS,
        )
        self.undecided = proof.undecided
        if proof.leads_too_far:
            self._failed_walks += 1
            self._is_unfinished = True
            return False
        if not is_long:
            self._failed_walks, self._fails_before_long = 0, _WALKS_IN_TURN - 1
        self._note_cycles(proof, row_of)
        confirmed, stuck = _addresses(self._memory.confirm(proof)), _addresses(proof.stuck)
        self._confirm_next, self._is_unfinished = False, bool(proof.not_reached)
        states = self._results.of(columns).proof
        for row in rows:
            task = columns.references[row]()
            if task is None:
                continue
            if id(task) in confirmed:
                states[row] = ProofState.PROVEN
            elif id(task) in stuck:
                states[row] = ProofState.SEEN_STUCK
                self._confirm_next = True
            elif id(task) not in proof.not_reached:
                self._memory.drop(task)
                is_undecided = id(task) in proof.left_out or proof.is_void
                states[row] = ProofState.UNDECIDED if is_undecided else ProofState.WAKEABLE
        return True

    def _note_cycles(self, proof: Proof, judged: dict[int, int]) -> None:
        """Store the cycles of a proof, and earlier cycles of which it has examined no task."""
        before = [cycle for cycle in self.cycles if all((task := each()) and id(task) not in judged for each in cycle)]
        self.cycles = (*proof.cycles, *before)
        self._cycle_of = {
            id(task): cycle for cycle in self.cycles for member in cycle if (task := member()) is not None
        }

    def _count_states(self, columns: Columns, search: OrphanSearch, pause: Callable[[], None]) -> list[int]:
        """Return the number of old tasks in each state, and store per site how many were not examined."""
        counted = [0] * len(ProofState)
        proof, self.unexamined_at = self._results.of(columns).proof, {}
        for rows in search.old_rows_by_site:
            before = sum(counted[state] for state in _WITHOUT_VERDICT)
            for row in paced(rows, pause):
                counted[proof[row]] += 1
            unexamined = sum(counted[state] for state in _WITHOUT_VERDICT) - before
            if unexamined:
                self.unexamined_at[columns.sites[rows[0]]] = unexamined
        return counted

    def awaits(self, columns: Columns, rows: Iterable[int]) -> bool:
        """Return whether the next scan may prove some of these rows."""
        seen_stuck, states = ProofState.SEEN_STUCK, self._results.of(columns).proof
        return self._confirm_next and any(states[row] == seen_stuck for row in rows)

    def evidence(self, task: Any) -> str:
        """Return the evidence that a proven task can never wake, as a clause."""
        return evidence(self._cycle_of.get(id(task), ()))


def _deadlocked(columns: Columns, rows: Sequence[int], pause: Callable[[], None]) -> list[int]:
    """Return the rows of tasks in await cycles, which their owners cannot end."""
    # Only tasks that await a task are stored: growing a dictionary of a million entries blocks for a tenth of a second.
    awaited_at: dict[int, list[int]] = {}
    for row in paced(rows, pause):
        awaited = awaited_tasks(columns.references[row]())
        if awaited:
            awaited_at[row] = [id(awaited_task) for awaited_task in awaited]
    row_at = {columns.addresses[row]: row for row in paced(list(awaited_at), pause)}
    edges = {
        row: [row_at[address] for address in addresses if address in row_at] for row, addresses in awaited_at.items()
    }
    return [row for cycle in deadlocks(edges) for row in cycle]


def _take_in_turn(lists: Sequence[Sequence[int]], chosen: dict[int, None], size: int) -> None:
    """Add rows, one per list in turn, until there are ``size``."""
    left = [rows for rows in lists if rows]
    depth = 0
    while left and len(chosen) < size:
        chosen.update((rows[depth], None) for rows in left)
        depth += 1
        left = [rows for rows in left if depth < len(rows)]


def _address(reference: Any) -> int:
    task = reference()
    return 0 if task is None else id(task)


def _addresses(found: Iterable[Stuck]) -> set[int]:
    return {id(task) for item in found if (task := item.task()) is not None}
