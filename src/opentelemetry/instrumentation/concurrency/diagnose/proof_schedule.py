"""When the proof runs, over what, and what it has said of each task.

It runs soon after a task is first found left over, once more at the next scan, because only what two proofs agree on
counts, and then every ``PROOF_INTERVAL`` over all orphans, residents and deadlocked tasks. It keeps to one per cent of
a core, after an allowance at the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ..census.columns import Columns
from ..census.look import Look
from ..census.pace import paced
from .orphans import OrphanSearch, SiteOrphans
from .wait_graph import awaited_tasks, deadlocks
from .wakeability import ProofMemory, Stuck, alive, evidence, prove

MAX_SUSPECTS: Final = 10_000
"""Tasks that one proof looks at; of larger groups the oldest, site by site in turn."""


_CPU_SHARE: Final = 0.01
_ALLOWANCE_S: Final = 3.0


class ProofSchedule:
    """Runs proofs and keeps their results in ``Columns.proof``.

    Args:
        interval_s: Seconds between two proofs of everything; 0 for none in the background.

    Attributes:
        cycles: The circles of tasks that await each other, as of the last proof.
        undecided: Why the last proof left something open, for people; empty if it did not.
        spent_s: CPU time of all proofs, in seconds.
    """

    NEW: Final = 0
    SEEN_STUCK: Final = 1
    PROVEN: Final = 2
    WAKEABLE: Final = 3

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._memory = ProofMemory()
        self._last_at: float | None = None
        self._began_at: float | None = None
        self.spent_s = 0.0
        self._confirm_next = False
        self.cycles: tuple[tuple[Any, ...], ...] = ()
        self._cycle_of: dict[int, tuple[Any, ...]] = {}
        self.undecided = ""

    def gap(self) -> None:
        """Forget the first of two proofs: the process could not run in between."""
        self._memory.forget()

    def look(
        self,
        columns: Columns,
        orphans: list[SiteOrphans],
        search: OrphanSearch,
        look: Look,
        loops: Iterable[Any],
        pause: Callable[[], None],
    ) -> None:
        """Run a proof if one is due, and note the results.

        Args:
            columns: Where the rows of tasks are.
            orphans: The orphans by site.
            search: Knows the old tasks, and those of them at resident sites.
            look: The scan.
            loops: The event loops of the process.
            pause: Lets the application run.
        """
        if not self._interval_s or look.final or not self._can_afford(look.at):
            return
        rows = [row for found in orphans for row in found.rows]
        fresh = any(columns.proof[row] == self.NEW for row in paced(rows, pause))
        due = self._last_at is None or look.at - self._last_at >= self._interval_s
        if not rows and not due and not self._confirm_next:
            return
        if not (fresh or due or self._confirm_next):
            return
        if due and search.old_rows:
            self._last_at = look.at
        began = time.thread_time()
        others = [*search.resident_rows, *_deadlocked(columns, search.old_rows, pause)]
        if rows or others:
            self._run(columns, _in_turn(orphans, others), loops, pause)
        self.spent_s += time.thread_time() - began

    def _can_afford(self, now: float) -> bool:
        if self._began_at is None:
            self._began_at = now
        return self.spent_s < _ALLOWANCE_S + _CPU_SHARE * (now - self._began_at)

    def _run(self, columns: Columns, rows: list[int], loops: Iterable[Any], pause: Callable[[], None]) -> None:
        proof = prove(alive(columns.references[row] for row in rows), loops=loops, pause=pause)
        self.undecided = proof.undecided
        self.cycles = proof.cycles
        self._cycle_of = {id(task): cycle for cycle in proof.cycles for each in cycle if (task := each()) is not None}
        confirmed = _addresses(self._memory.confirm(proof))
        stuck = _addresses(proof.stuck)
        self._confirm_next = False
        for row in rows:
            task = columns.references[row]()
            if task is None:
                continue
            if id(task) in confirmed:
                columns.proof[row] = self.PROVEN
            elif id(task) in stuck:
                columns.proof[row] = self.SEEN_STUCK
                self._confirm_next = True
            else:
                columns.proof[row] = self.WAKEABLE

    def awaits(self, columns: Columns, rows: Iterable[int]) -> bool:
        """Tell whether the next scan may prove some of these rows."""
        return self._confirm_next and any(columns.proof[row] == self.SEEN_STUCK for row in rows)

    def evidence(self, task: Any) -> str:
        """Return how we know that a proven task can never wake, as a clause for people."""
        return evidence(self._cycle_of.get(id(task), ()))


def _deadlocked(columns: Columns, rows: Sequence[int], pause: Callable[[], None]) -> list[int]:
    """Return the rows of tasks that await each other in a circle, which no owner of theirs can end."""
    # Only those that await a task are written down: a dictionary of a million grows by steps of a tenth of a second.
    awaited_at: dict[int, list[int]] = {}
    for row in paced(rows, pause):
        awaited = awaited_tasks(columns.references[row]())
        if awaited:
            awaited_at[row] = [id(each) for each in awaited]
    row_at = {columns.addresses[row]: row for row in paced(list(awaited_at), pause)}
    edges = {
        row: [row_at[address] for address in addresses if address in row_at] for row, addresses in awaited_at.items()
    }
    return [row for cycle in deadlocks(edges) for row in cycle]


def _in_turn(orphans: list[SiteOrphans], others: list[int]) -> list[int]:
    """Return at most `MAX_SUSPECTS` rows, one of each site in turn, so that no site hides another."""
    lists = [found.rows for found in orphans] + [others]
    if sum(map(len, lists)) <= MAX_SUSPECTS:
        return [row for rows in lists for row in rows]
    taken: list[int] = []
    depth = 0
    while len(taken) < MAX_SUSPECTS:
        taken += [rows[depth] for rows in lists if depth < len(rows)]
        depth += 1
    return taken[:MAX_SUSPECTS]


def _addresses(found: Iterable[Stuck]) -> set[int]:
    return {id(task) for each in found if (task := each.task()) is not None}
