"""Access to the live tasks and threads of this process: `LiveProcess`.

Pictures and summaries are taken with the census locked and yielded one at a time, so that a million of them are never
in memory at once. Between slices of a millisecond, the caller's ``pause`` lets the application run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from .census.census import Census
from .census.counts import LiveCounts, count_live
from .census.pace import SLICE_S, in_slices, no_pause
from .diagnose.diagnosis import Diagnosed, Diagnosis
from .diagnose.proof_now import ProvenNow, prove_now
from .diagnose.verdict.finding import Finding, describe
from .diagnose.verdict.group import Group
from .record.garbage_collection import collector_off
from .record.recorder import Recorder
from .record.site import Kind

if TYPE_CHECKING:
    from .diagnose.impact.finished import FinishedTasks
    from .diagnose.self_test.self_test import InternalsCheck
    from .diagnose.stale_spans import StaleSpan
    from .snapshot.values import LivePicture, Snapshot, TaskSummary


class LiveProcess:
    """The live tasks and threads of an instrumented process, and the verdicts on them.

    The modules that take snapshots are imported on first use, which makes instrumenting cheaper.

    Args:
        census: The census.
        diagnosis: The diagnosis.

    Attributes:
        diagnosed: The result of the last scan.
    """

    def __init__(self, census: Census, diagnosis: Diagnosis) -> None:
        self.census = census
        self.start_empty(diagnosis)

    def start_empty(self, diagnosis: Diagnosis) -> None:
        """Drop all verdicts in a forked child, whose tasks and threads get a new diagnosis."""
        self.diagnosis = diagnosis
        self.diagnosed = Diagnosed()

    def load(self) -> None:
        """Import the modules that take snapshots, before a thread does for which a fork would not wait."""
        from .snapshot import picture  # noqa: F401 (imported for its effect)

    @property
    def recorder(self) -> Recorder:
        """The recorder of creations."""
        return self.census.recorder

    def counts(self, *, timeout_s: float = -1) -> LiveCounts:
        """Count live tasks and threads now.

        Args:
            timeout_s: Maximum wait for a scan in progress, in seconds; negative for no limit.

        Raises:
            TimeoutError: If the scan takes longer.
        """
        with self.census.locked(timeout_s=timeout_s), collector_off():
            return count_live(self.census)

    def take_snapshot(self) -> Snapshot:
        """Return a snapshot of all live tasks and threads."""
        from .snapshot.picture import take_picture

        with self.census.locked():
            return take_picture(self.census, self.diagnosis)

    def pictures(
        self, kind: Kind, pause: Callable[[], None] = no_pause, slice_s: float = SLICE_S
    ) -> Iterator[LivePicture]:
        """Yield a picture of every live task or thread. The census is locked until the last one.

        Cost: about 15 µs per task.
        """
        from .snapshot.picture import iter_pictures

        with self.census.locked():
            yield from in_slices(iter_pictures(self.census, self.diagnosis, kind, pause), pause, slice_s)

    def summaries(self, pause: Callable[[], None] = no_pause, slice_s: float = SLICE_S) -> Iterator[TaskSummary]:
        """Yield a summary per live task. The census is locked until the last one. Cost: about 7 µs per task."""
        from .snapshot.picture import iter_summaries

        with self.census.locked():
            yield from in_slices(iter_summaries(self.census, self.diagnosis, pause), pause, slice_s)

    def describe(self, group: Group) -> Finding | None:
        """Turn a group into values, or return None if its last member has just ended.

        The caller holds the census' lock. Cost: some hundred await chains.
        """
        return describe(group, self.census.clock, self.diagnosis.stalls)

    def stale_spans(self, pause: Callable[[], None] = no_pause) -> list[StaleSpan]:
        """Return the sites whose tasks carry the span of an ended request. The caller holds the census' lock.

        Cost: 0.2 µs per task, 3 µs per task that was created in a request.
        """
        from .diagnose.stale_spans import stale_spans

        tasks, diagnosis = self.census.tasks, self.diagnosis
        verdicts = diagnosis.memory.of(tasks).verdict
        return stale_spans(tasks, self.recorder.task_sites.sites, verdicts, diagnosis.task_age, pause)

    def finished_tasks(self, pause: Callable[[], None] = no_pause) -> list[FinishedTasks]:
        """Return the collections whose number of finished tasks keeps rising. The caller holds the census' lock.

        Cost: some 50 ms, and 1 µs per task in the collections that are reached.
        """
        return self.diagnosis.finished.search(self.census, self.census.clock.now(), pause)

    def measure_impact(self, pause: Callable[[], None] = no_pause, more: Iterable[Group] = ()) -> None:
        """Measure the impact of the leaks of the last scan. The caller holds the census' lock.

        Args:
            pause: Called often between slices of work, to let the event loop run.
            more: Further groups to measure.

        Cost: a second per group at most.
        """
        census, diagnosed = self.census, self.diagnosed
        self.diagnosis.impacts.measure_now([*diagnosed.groups, *more], census.clock.now(), census, pause)
        diagnosed.note_memory()

    def check_internals(self, *, timeout_s: float = -1) -> list[InternalsCheck]:
        """Check that the internals of the imported libraries are as this version expects.

        The census is locked, so that the self-test's task is never counted. Cost: a few milliseconds.

        Args:
            timeout_s: Maximum wait for a scan in progress, in seconds; negative for no limit.

        Raises:
            TimeoutError: If the scan takes longer.
        """
        from .diagnose.self_test.self_test import check_internals

        with self.census.locked(timeout_s=timeout_s), collector_off():
            return check_internals()

    def prove(self, pause: Callable[[], None] = no_pause) -> ProvenNow:
        """Run the proof over all suspended tasks. Cost: about 200 µs per task."""
        return prove_now(self.census, self.diagnosis, pause)
