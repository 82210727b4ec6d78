"""Findings: verdicts with their evidence, as values that hold no object alive."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.trace import SpanContext

from ...census.ageing import AgeClock
from ...record.creation_stack import CreationStack
from ...record.naming import CodeLine
from ...record.site import Kind, Site
from ..introspection.fingerprint import NamedFrame, fingerprint, named_stack, waiting_at
from ..introspection.stalls import StallTracker
from .group import Group, Verdict
from .impact import NO_IMPACT, Impact
from .observation import Observation, observe
from .reason import reason
from .representative import choose_representative


@dataclass(frozen=True, slots=True)
class Finding:
    """A group of leaked tasks or threads, with its representative.

    Attributes:
        kind: ``task`` or ``thread``.
        function: Qualified function of the creation site.
        path: Absolute path of its file; empty if unknown.
        line: Its line number.
        runs: Qualified name of the started coroutine function or thread target; empty if unknown.
        via: Spawners and library functions between the creating line and the event loop, innermost first.
        verdict: The verdict.
        evidence: The evidence, as a clause.
        reason: The verdict and its evidence in sentences.
        count: Number of tasks or threads in the group.
        fingerprint: 16 hex digits, the same for the same bug in every process and release.
        observation: The state of the representative.
        creation: The creation stack of the representative, innermost frame last; empty if none was recorded.
        creation_sampled: Whether ``creation`` belongs to another task or thread of the same site.
        waiting_at: The innermost application frame; None if there is none.
        creator_span_name: Name of the span of the request or job that leaks.
        links: Contexts of distinct sampled creators' spans, the representative's first.
        age_s: Age of the representative in seconds.
        stalled_s: Seconds for which it has waited for the same object; None if unknown.
        waits: For a growing site, up to three places where its old tasks or threads wait, most frequent first: frame
            (None if unknown), wait reason and count.
        impact: What the leak costs, as far as it is known.
    """

    kind: Kind
    function: str
    path: str
    line: int
    runs: str
    via: tuple[CodeLine, ...]
    verdict: Verdict
    evidence: str
    reason: str
    count: int
    fingerprint: str
    observation: Observation
    creation: tuple[NamedFrame, ...]
    creation_sampled: bool
    waiting_at: NamedFrame | None
    creator_span_name: str
    links: tuple[SpanContext, ...]
    age_s: float
    stalled_s: float | None
    waits: tuple[tuple[NamedFrame | None, str, int], ...] = ()
    impact: Impact = NO_IMPACT


def describe(group: Group, clock: AgeClock, stalls: StallTracker) -> Finding | None:
    """Choose the representative of ``group`` and describe the group; None if it has just ended.

    Cost: some hundred await chains.
    """
    choose_representative(group)
    shown = group.representative
    found = None if shown is None else shown.reference()
    observation = group.last_observation if found is None else observe(group.site.kind, found)
    if observation is None:
        return None
    now = clock.now()
    age = max(0.0, now - shown.created_at) if shown is not None else 0.0
    since = stalls.since(shown.serial) if shown is not None and group.site.kind == "task" else None
    stalled = None if since is None else max(0.0, now - since)
    creation, is_others = creation_stack(group.site if shown is None else shown.site, found)
    return Finding(
        kind=group.site.kind,
        function=group.site.function,
        path=group.site.path,
        line=group.site.line,
        runs=group.site.runs,
        via=group.site.via,
        verdict=group.verdict,
        evidence=group.evidence,
        reason=reason(group, observation.wait_reason, age, stalled, observation.cancel_requests),
        count=group.count,
        fingerprint=fingerprint(group.site, observation.chain, observation.wait_reason),
        observation=observation,
        creation=named_stack(creation),
        creation_sampled=is_others,
        waiting_at=waiting_at(observation.chain),
        creator_span_name=span_name_of(group),
        links=tuple(span.context for span in group.spans),
        age_s=age,
        stalled_s=stalled,
        waits=group.waits,
        impact=group.impact,
    )


def creation_stack(site: Site, found: object) -> tuple[CreationStack | None, bool]:
    """Return the creation stack to show for a task or thread, and whether it belongs to another one of its site.

    Args:
        site: Its creation site.
        found: The task or thread; None for any of the site.
    """
    own = None if found is None else site.stack_of(found)
    return (site.any_stack(), True) if own is None else (own, False)


def span_name_of(group: Group) -> str:
    """Return the name of the span in which the representative was created; empty if there was none."""
    span = group.representative.creator_span if group.representative is not None else None
    return span.name if span is not None else ""
