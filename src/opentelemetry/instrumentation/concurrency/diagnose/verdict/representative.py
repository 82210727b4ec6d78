"""The choice of a group's representative, and the places where its members wait.

The choice is made only when a group is described, because it reads a few hundred await chains. The representative
belongs to the largest part of the group that waits at the same place. Among these, tasks with a creation stack of their
own come first, then those whose creator's span is sampled, then the oldest.
"""

from __future__ import annotations

import sys
import threading
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from ...census.columns import Columns
from ...record.creation_stack import CreationStack
from ...record.creator import CreatorSpan
from ...record.site import Kind, Site
from ..introspection.fingerprint import NamedFrame, waiting_at
from ..introspection.waiting_place import WaitingPlace, place_of
from .group import MAX_LINKS, Group, Representative

SAMPLE: Final = 300
"""Maximum number of members whose await chains are read."""
_MOST_PLACES: Final = 3
_MOST_SEARCHED: Final = 20_000
"""Maximum number of members that are searched for recorded creation stacks, in order of discovery."""


class Members:
    """A selection of the members of a group, valid until the next sweep of the columns.

    Not all of a million rows are kept: freeing so many integers at once stops every thread for a while.

    Args:
        columns: The columns.
        rows: The rows of the group, at least one, in order of discovery.
        sites: The sites of this kind, by number.
        clause: Returns the evidence for a selected row; None if the group's evidence applies to all.

    Attributes:
        total: Number of rows of the group.
        sample: At most `SAMPLE` rows, evenly spaced.
        earliest: The first rows, which are searched for recorded creation stacks.
    """

    __slots__ = ("_sweep", "clause", "columns", "earliest", "sample", "sites", "total")

    def __init__(
        self,
        columns: Columns,
        rows: Sequence[int],
        sites: Sequence[Site],
        clause: Callable[[int], str] | None = None,
    ) -> None:
        self.columns = columns
        self.sites = sites
        self.clause = clause
        self.total = len(rows)
        self.sample = array("L", rows[:: -(-len(rows) // SAMPLE)])
        self.earliest = array("L", rows[:_MOST_SEARCHED] if len(rows) > SAMPLE else ())
        self._sweep = columns.sweeps

    @property
    def rows(self) -> Iterable[int]:
        """The selected rows, some of them twice."""
        return chain(self.sample, self.earliest)

    def are_current(self) -> bool:
        """Return whether the rows still refer to the same tasks or threads."""
        return self._sweep == self.columns.sweeps

    def thinned(self, share: float) -> array[int]:
        """Return a part of the sample, of one row per ``share`` members."""
        return self.sample[:: max(1, round(share * len(self.sample) / self.total))]


def joined(alike: Sequence[Members], clause: Callable[[int], str] | None) -> Members:
    """Combine the members of several groups.

    Args:
        alike: The members, all in the same columns.
        clause: Returns the evidence for a row.
    """
    first = alike[0]
    made = Members(first.columns, first.sample, first.sites, clause)
    share = max(members.total / len(members.sample) for members in alike)
    made.total = sum(members.total for members in alike)
    made.sample = array("L", chain.from_iterable(members.thinned(share) for members in alike))
    made.earliest = array("L", sorted(chain.from_iterable(members.rows for members in alike)))
    return made


@dataclass(slots=True)
class _Candidate:
    row: int
    place: WaitingPlace
    stack: CreationStack | None
    span: CreatorSpan | None
    created_at: float
    is_sample: bool


def choose_representative(group: Group) -> None:
    """Set the representative of a group, the spans to link to, its evidence, and the places where it waits.

    Does nothing for a group without members, or if its rows are no longer valid.

    Cost: up to `SAMPLE` await chains.
    """
    members = group.members
    if members is None or not members.are_current():
        return
    candidates = list(_candidates(group.site.kind, members))
    if not candidates:
        return
    chosen = _chosen(candidates)
    columns = members.columns
    group.representative = Representative(
        columns.references[chosen.row],
        columns.serials[chosen.row],
        chosen.created_at,
        chosen.span,
        members.sites[columns.sites[chosen.row]],
        bool(columns.before_attach[chosen.row]),
    )
    group.spans = _links(chosen.span, (columns.creator_spans[row] for row in members.rows))
    if members.clause is not None:
        group.evidence = members.clause(chosen.row)
    if group.verdict == "growing":
        group.waits = tuple(_places(candidates, members.total))


def _candidates(kind: Kind, members: Members) -> Iterator[_Candidate]:
    columns = members.columns
    frames = sys._current_frames()
    # The current frame would create a cycle with its own locals.
    frames.pop(threading.get_ident(), None)
    rows = dict.fromkeys(_recorded(members), False) | dict.fromkeys(members.sample, True)
    for row, is_sample in rows.items():
        found = columns.references[row]()
        if found is None or columns.is_finished(found):
            continue
        yield _Candidate(
            row,
            place_of(kind, found, frames),
            members.sites[columns.sites[row]].stack_of(found),
            columns.creator_spans[row],
            columns.created_at[row],
            is_sample,
        )


def _recorded(members: Members) -> list[int]:
    """Return rows outside the sample whose creation stack was recorded."""
    columns = members.columns
    numbers = set(map(columns.sites.__getitem__, members.earliest))
    recorded = {address for number in numbers for address in list(members.sites[number].stacks)}
    return [row for row in members.earliest if columns.addresses[row] in recorded][:SAMPLE]


def _chosen(candidates: list[_Candidate]) -> _Candidate:
    counted = Counter(each.place.key for each in candidates if each.is_sample)
    largest = max(counted, key=counted.__getitem__) if counted else candidates[0].place.key
    alike = [candidate for candidate in candidates if candidate.place.key == largest]
    return min(
        alike,
        key=lambda each: (
            each.stack is None,
            each.span is None or not each.span.is_sampled,
            each.created_at,
        ),
    )


def _links(first: CreatorSpan | None, spans: Iterable[CreatorSpan | None]) -> list[CreatorSpan]:
    found: dict[int, CreatorSpan] = {}
    for span in (first, *spans) if first is not None else spans:
        if span is not None and span.is_sampled:
            found.setdefault(span.context.span_id, span)
            if len(found) >= MAX_LINKS:
                break
    return list(found.values())


def _places(candidates: list[_Candidate], total: int) -> Iterator[tuple[NamedFrame | None, str, int]]:
    """Yield the places where most members wait: frame, wait reason and count, estimated from the sample."""
    alike: dict[Hashable, list[_Candidate]] = {}
    for candidate in candidates:
        if candidate.is_sample:
            alike.setdefault(candidate.place.key, []).append(candidate)
    counted: Counter[tuple[NamedFrame | None, str]] = Counter()
    for found in alike.values():
        counted[waiting_at(found[0].place.chain()), found[0].place.reason] += len(found)
    for (frame, reason), count in counted.most_common(_MOST_PLACES):
        yield frame, reason, round(count * total / sum(counted.values()))
