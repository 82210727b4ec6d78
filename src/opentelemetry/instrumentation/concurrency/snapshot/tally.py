"""Incremental counts of similar pictures, whose memory depends on stacks only."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Literal

from ..record.naming import CodeLine
from .grouping import alike, most_first, nearest_creation
from .interned import Interned
from .values import CreationSite, LiveGroup, LivePicture, TaskSummary


@dataclass(slots=True)
class Tally:
    """Live tasks or threads with the same kind, creation site, stack, wait reason, verdict and loop.

    Attributes:
        kind: ``task`` or ``thread``.
        site: The creation site.
        stack: The frames in which they are suspended or run, innermost last.
        wait_reason: The wait reason.
        verdict: The verdict, or None.
        loop: Name of the thread that runs their event loop; empty for threads.
        count: Their number.
        age_total_s: The sum of their ages in seconds.
        oldest_s: Age of the oldest in seconds.
        longest_stall_s: The longest time that one of them has waited for the same object; None if unknown.
        creation_stack: The creation stack of one of them, innermost last; if none of them has one, that of another task
            or thread of the site; empty if none was recorded.
        creation_sampled: Whether that stack belongs to another task or thread of the site.
        note: Reason for an incomplete stack of one of them; empty if all are complete.
    """

    kind: Literal["task", "thread"]
    site: CreationSite
    stack: tuple[CodeLine, ...]
    wait_reason: str
    verdict: str | None
    loop: str
    count: int = 0
    age_total_s: float = 0.0
    oldest_s: float = 0.0
    longest_stall_s: float | None = None
    creation_stack: tuple[CodeLine, ...] = ()
    creation_sampled: bool = False
    note: str = ""


class Tallies:
    """Counts pictures incrementally.

    Args:
        split_loops: Whether tasks of different event loops are counted separately.
    """

    def __init__(self, *, split_loops: bool = False) -> None:
        self._split_loops = split_loops
        self._sites: Interned[CreationSite] = Interned()
        self._stacks: Interned[tuple[CodeLine, ...]] = Interned()
        self._tallies: dict[tuple[str, int, int, str, str | None, str], Tally] = {}

    def add(self, picture: LivePicture | TaskSummary) -> None:
        """Count a picture, keeping only its site, stacks and note. Cost: about a microsecond."""
        loop = picture.loop if self._split_loops else ""
        site, stack = self._sites.number(picture.site), self._stacks.number(picture.stack)
        key = (picture.kind, site, stack, picture.wait_reason, picture.verdict, loop)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(
                picture.kind, picture.site, picture.stack, picture.wait_reason, picture.verdict, loop
            )
        tally.count += 1
        tally.age_total_s += picture.age_s
        tally.oldest_s = max(tally.oldest_s, picture.age_s)
        if picture.stalled_s is not None:
            tally.longest_stall_s = max(tally.longest_stall_s or 0.0, picture.stalled_s)
        if picture.creation_stack and (
            not tally.creation_stack or (tally.creation_sampled and not picture.creation_sampled)
        ):
            tally.creation_stack, tally.creation_sampled = picture.creation_stack, picture.creation_sampled
        if picture.note and not tally.note:
            tally.note = picture.note

    def most_first(self) -> list[Tally]:
        """Return the counts, highest first; equal counts are in an order that depends only on the tasks."""
        return sorted(self._tallies.values(), key=_order)

    def by_stack(self) -> tuple[LiveGroup, ...]:
        """Return one group per kind, creation site, stack, wait reason and verdict, as in a `Snapshot`."""

        def key(tally: Tally) -> Hashable:
            stack = self._stacks.number(tally.stack)
            return tally.kind, self._sites.number(tally.site), stack, tally.wait_reason, tally.verdict

        return most_first(_group(each, with_stack=True) for each in alike(self._tallies.values(), key))

    def by_site(self) -> tuple[LiveGroup, ...]:
        """Return one group per kind and creation site, as in a `Snapshot`."""

        def key(tally: Tally) -> Hashable:
            return tally.kind, self._sites.number(tally.site)

        return most_first(_group(each, with_stack=False) for each in alike(self._tallies.values(), key))


def tally(pictures: Iterable[LivePicture | TaskSummary], *, split_loops: bool = False) -> list[Tally]:
    """Count pictures without keeping them, and return the counts, highest first in a stable order."""
    return _tallies(pictures, split_loops=split_loops).most_first()


def group_by_site(pictures: Iterable[LivePicture]) -> tuple[LiveGroup, ...]:
    """Return one group per kind and creation site, largest first."""
    return _tallies(pictures).by_site()


def group_by_stack(pictures: Iterable[LivePicture]) -> tuple[LiveGroup, ...]:
    """Return one group per kind, creation site, stack, wait reason and verdict, largest first."""
    return _tallies(pictures).by_stack()


def _tallies(pictures: Iterable[LivePicture | TaskSummary], *, split_loops: bool = False) -> Tallies:
    tallies = Tallies(split_loops=split_loops)
    for picture in pictures:
        tallies.add(picture)
    return tallies


def _order(tally: Tally) -> tuple[object, ...]:
    frames = [(entry.function, entry.path, entry.line) for entry in reversed(tally.stack)]
    site = tally.site
    return (
        -tally.count,
        site.function,
        site.path,
        site.line,
        site.runs,
        tally.wait_reason,
        tally.verdict or "",
        tally.loop,
        frames,
    )


def _group(members: list[Tally], *, with_stack: bool) -> LiveGroup:
    first = members[0]
    creation, sampled = nearest_creation((member.creation_stack, member.creation_sampled) for member in members)
    return LiveGroup(
        kind=first.kind,
        count=sum(one.count for one in members),
        site=first.site,
        oldest_s=max(one.oldest_s for one in members),
        orphans=sum(one.count for one in members if one.verdict is not None),
        stack=first.stack if with_stack else (),
        wait_reason=first.wait_reason if with_stack else "",
        verdict=first.verdict if with_stack else None,
        longest_stall_s=max((one.longest_stall_s for one in members if one.longest_stall_s is not None), default=None),
        creation_stack=creation,
        creation_sampled=sampled,
    )
