"""A group: the tasks or threads of one site under one verdict, with the evidence and one representative."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from weakref import ReferenceType

from ..census.columns import Columns
from ..record.creator import CreatorSpan
from ..record.site import Site

if TYPE_CHECKING:
    from .verdict import Sight

Verdict = Literal["orphaned", "growing", "unwakeable", "destroyed"]

MAX_LINKS: Final = 8
"""Creators' spans that a report links to."""


@dataclass(slots=True)
class Representative:
    """The one of a group that is shown in full: the oldest whose creator's context is sampled, else the oldest.

    Attributes:
        reference: The task or thread.
        serial: Its serial number.
        created_at: When it was created, in seconds of the age clock.
        creator_span: The span it was created under.
    """

    reference: ReferenceType[object]
    serial: int
    created_at: float
    creator_span: CreatorSpan | None


@dataclass(slots=True)
class Group:
    """The tasks or threads of one site under one verdict.

    Attributes:
        site: Where they were created.
        verdict: What is wrong with them.
        count: How many there are.
        evidence: How we know, as a clause for people.
        since: Since when the verdict stands, in seconds of the age clock.
        representative: The one that is shown; None where none is left to show.
        last_sight: What was seen of one before it was gone, for groups without a representative.
        spans: Distinct sampled creators' spans, the representative's first, at most `MAX_LINKS`.
        is_complete: Whether no more can come: every live one of the site is in it.
        awaits_proof: Whether the proof has still to decide about some of it.
        on_report: Called when the group has been reported; None for nothing.
    """

    site: Site
    verdict: Verdict
    count: int
    evidence: str
    since: float
    representative: Representative | None = None
    last_sight: Sight | None = None
    spans: list[CreatorSpan] = field(default_factory=list)
    is_complete: bool = False
    awaits_proof: bool = False
    on_report: Callable[[], None] | None = None


def choose_representative(columns: Columns, rows: Iterable[int]) -> tuple[int, list[CreatorSpan]]:
    """Return the row of the representative and the sampled creators' spans to link to, its own first.

    Args:
        columns: Where the rows are.
        rows: The rows of the group, at least one.
    """
    rows = list(rows)
    created_at = columns.created_at
    sampled = [row for row in rows if (span := columns.creator_spans[row]) is not None and span.is_sampled]
    chosen = min(sampled or rows, key=created_at.__getitem__)
    spans: dict[int, CreatorSpan] = {}
    for row in [chosen, *sampled]:
        span = columns.creator_spans[row]
        if span is not None and span.is_sampled and len(spans) < MAX_LINKS:
            spans.setdefault(span.context.span_id, span)
    return chosen, list(spans.values())


def representative_of(columns: Columns, row: int) -> Representative:
    """Return a row as the representative of a group."""
    return Representative(
        columns.references[row], columns.serials[row], columns.created_at[row], columns.creator_spans[row]
    )
