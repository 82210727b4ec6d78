"""Due times of scans, from the interval, the cost of scans and process activity.

- A due scan remains due while the scan thread is suspended for a fork, however often that happens.
- Scanning uses at most one per cent of one core. Once the process has been idle for so long that age changes no
  verdict, a scan would find the same as the one before: scans and proofs together then use a twentieth of that. The gap
  between two scans never exceeds half an hour, nor five minutes if something was created, a task has ended (up to
  3.13, where asyncio knows their number) or a site is reported as rising.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from .registry import most_registered

_CPU_SHARE: Final = 0.01
_IDLE_CPU_SHARE: Final = 0.0005
_SHARE_OF_ACTIVITY: Final = 0.1
"""CPU time that scanning may use, as a share of the CPU time of the rest of the process."""
_SMALL_SCAN_S: Final = 0.005
"""CPU time of a scan that is never postponed: 0.1 % of the default interval."""
_FEW_LIVE: Final = 1_000
"""Number of live tasks and threads up to which a scan is small whatever it took: the first one runs cold code."""
_LONGEST_IDLE_GAP_S: Final = 1_800.0
_LONGEST_GAP_WITH_NEWS_S: Final = 300.0
_IDLE_BELOW: Final = 0.01
_ACTIVE_ABOVE: Final = 0.001
"""CPU time of the process, as a share of one core, above which verdicts may still change with age."""
_STARVING_S: Final = 1.0
_WALL_PER_CPU: Final = 30.0
"""Maximum wall-clock seconds of judging per second of CPU time, including pauses and waits for the interpreter."""
_FORKS_WAIT_ONE_IN: Final = 50


class ScanYielded(BaseException):
    """Interrupts a scan because a thread is about to fork. Not an Exception, so that error handlers do not catch it."""


class ScanSchedule:
    """Due times of scans.

    Args:
        interval_s: Minimum number of seconds between two scans.
        monotonic: A clock, in seconds.
        cpu_of_others: Returns the CPU time of the process without the calling thread, in seconds.
        has_creations: Returns whether something that may still be live was created since the last scan.
        count_tasks: Returns the number of registered tasks; None where it is unknown.

    Attributes:
        expected_gap_s: Expected seconds between the last scan and the next, without the time for judging.
        judging_s: Seconds that judging the last scan took, as far as its CPU time explains them.
        settle_s: Seconds of idleness after which scans are postponed: until everything live has been judged.
        has_rising: Whether a site is reported as rising, which further scans may refute.
        awaits_proof: Whether the next scan can confirm what a proof found. It is then early, and the one after it is
            late by as much.
    """

    def __init__(
        self,
        interval_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        cpu_of_others: Callable[[], float] = lambda: time.process_time() - time.thread_time(),
        has_creations: Callable[[], bool] = lambda: False,
        count_tasks: Callable[[], int | None] = most_registered,
    ) -> None:
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._cpu_of_others = cpu_of_others
        self._has_creations = has_creations
        self._count_tasks = count_tasks
        self._tasks: int | None = 0
        self._live = _FEW_LIVE
        self.expected_gap_s = interval_s
        self.judging_s = 0.0
        self.settle_s = 0.0
        self.has_rising = False
        self.awaits_proof = False
        self._is_early = False
        self._owed_s = 0.0
        self._active_at = 0.0
        self._due_at: float | None = None
        self._scanned_at = 0.0
        self._others_at = 0.0
        self._spent_s = self._spent_with_proofs_s = 0.0

    def begin(self) -> None:
        """Note that the scan thread is running. The first call determines when a scan is due."""
        if self._due_at is None:
            self._note(0.0, 0.0)

    def scanned(self, spent_s: float, proofs_s: float = 0.0, *, live: int) -> None:
        """Note, in the scanning thread, that a scan has ended.

        Args:
            spent_s: The CPU time of the scan in seconds, without proofs.
            proofs_s: The CPU time of its proofs in seconds, which have a budget of their own.
            live: Number of tasks and threads that it found.
        """
        self._live, self._tasks = live, self._count_tasks()
        self._note(spent_s, proofs_s)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Measure the time for judging: a long proof delays the next scan, which is not a gap."""
        began, began_cpu = self._monotonic(), time.thread_time()
        yield
        self.judging_s = min(self._monotonic() - began, _WALL_PER_CPU * (time.thread_time() - began_cpu))

    def forget(self) -> None:
        """Start anew in a forked child."""
        self._due_at = None

    def _note(self, spent_s: float, proofs_s: float) -> None:
        self._spent_s, self._spent_with_proofs_s = spent_s, spent_s + proofs_s
        now, others = self._monotonic(), self._cpu_of_others()
        if self._due_at is None or others - self._others_at > _ACTIVE_ABOVE * (now - self._scanned_at):
            self._active_at = now
        self._scanned_at, self._others_at = now, others
        self._owed_s += spent_s
        self._is_early = self.awaits_proof and not self._is_early
        self.expected_gap_s = self._interval_s if self._is_early else max(self._interval_s, self._owed_s / _CPU_SHARE)
        if not self._is_early:
            self._owed_s = 0.0
        self._due_at = self._scanned_at + self.expected_gap_s

    def left_s(self) -> float:
        """Return the seconds until a scan is due, 0 or less if it is. Postpones it while the process is idle."""
        if self._due_at is None:
            return 0.0
        left_s = self._due_at - self._monotonic()
        if left_s > 0 or self._is_early or self._spent_s <= _SMALL_SCAN_S or self._live <= _FEW_LIVE:
            return left_s
        elapsed_s = self._monotonic() - self._scanned_at
        activity_s = self._cpu_of_others() - self._others_at
        if (
            elapsed_s >= (_LONGEST_GAP_WITH_NEWS_S if self.has_news() else _LONGEST_IDLE_GAP_S)
            or self._monotonic() - self._active_at < self.settle_s
            or elapsed_s * _IDLE_CPU_SHARE + activity_s * _SHARE_OF_ACTIVITY >= self._spent_with_proofs_s
        ):
            return left_s
        # The age clock must know that this gap is intended.
        self._due_at = self._monotonic() + self._interval_s
        self.expected_gap_s = self._due_at - self._scanned_at
        return self._interval_s

    def has_news(self) -> bool:
        """Return whether the next scan may find what the last one did not, apart from what age changes."""
        return self.has_rising or self._has_creations() or self._count_tasks() != self._tasks

    def process_is_idle(self) -> bool:
        """Return whether the process has been almost idle since the last scan, so that pauses are unnecessary."""
        elapsed_s = self._monotonic() - self._scanned_at
        return self._cpu_of_others() - self._others_at < _IDLE_BELOW * elapsed_s

    def is_starving(self) -> bool:
        """Return whether a scan is so overdue that the next fork waits for it; forks wait at most 1/50 of the time."""
        patience_s = max(_STARVING_S, _FORKS_WAIT_ONE_IN * self._spent_s)
        return self._due_at is not None and self._monotonic() - self._due_at > patience_s
