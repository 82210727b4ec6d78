"""Groups: the tasks or threads of one site under one verdict, with evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from weakref import ReferenceType

from ...record.creator import CreatorSpan
from ...record.naming import CodeLine
from ...record.site import Site
from .impact import NO_IMPACT, Impact

if TYPE_CHECKING:
    from ..introspection.fingerprint import NamedFrame
    from .observation import Observation
    from .representative import Members

Verdict = Literal["orphaned", "growing", "unwakeable", "destroyed"]
Waits = tuple["tuple[NamedFrame | None, str, int]", ...]

MAX_LINKS: Final = 8
"""Maximum number of creators' spans that a report links to."""


@dataclass(slots=True)
class Representative:
    """The task or thread of a group that is shown in full.

    Attributes:
        reference: The task or thread.
        serial: Its serial number.
        created_at: Its creation time, in seconds of the age clock.
        creator_span: The span under which it was created.
        site: Its creation site.
        before_attach: Whether it was created before ``attach``; its age is then a lower bound.
    """

    reference: ReferenceType[object]
    serial: int
    created_at: float
    creator_span: CreatorSpan | None
    site: Site
    before_attach: bool = False


@dataclass(slots=True)
class Group:
    """The tasks or threads of one site under one verdict.

    Attributes:
        site: The creation site.
        verdict: The verdict.
        count: Number of tasks or threads.
        evidence: The evidence, as a clause.
        since: When the verdict was first given, in seconds of the age clock.
        representative: The task or thread that is shown; None if there is none left.
        members: Its rows, from which the representative is chosen when the group is described; None if it has none.
        last_observation: For groups without a representative, the state of one task before it was gone.
        spans: Distinct sampled creators' spans, the representative's first, at most `MAX_LINKS`.
        waits: For a growing site, the places where its old tasks or threads wait: frame, wait reason, count.
        guilty_spawner: The spawner whose callers all leak; None if there is none.
        callers: For a growing spawning line, the creating lines with their live counts, highest first.
        left_at_exit: Number of further tasks of its site that were pending when main returned, without a proof.
        is_complete: Whether the group cannot grow, because it contains every live object of the site.
        awaits_proof: Whether the proof has yet to examine some of its tasks.
        impact: What the leak costs, as far as it is known.
        on_report: Called when the group has been reported; None for nothing.
    """

    site: Site
    verdict: Verdict
    count: int
    evidence: str
    since: float
    representative: Representative | None = None
    members: Members | None = None
    last_observation: Observation | None = None
    spans: list[CreatorSpan] = field(default_factory=list)
    waits: Waits = ()
    guilty_spawner: CodeLine | None = None
    callers: tuple[tuple[CodeLine, int], ...] = ()
    left_at_exit: int = 0
    is_complete: bool = False
    awaits_proof: bool = False
    impact: Impact = NO_IMPACT
    on_report: Callable[[], None] | None = None
