"""A verdict with its evidence: everything a report says about one group, as values that hold nothing alive."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from opentelemetry.trace import SpanContext

from ..census.ageing import AgeClock
from ..record.naming import function_name
from ..record.site import CreationStack, Kind, Site
from .await_chain import WRAPPER_COROUTINES, AwaitChain, Frame, plumbing_free_coroutine, walk_await_chain
from .fields import is_daemon, name_of, plain_text, thread_ident, thread_name
from .fingerprint import NamedFrame, fingerprint, named_chain, named_frame, named_stack, waiting_at
from .group import Group, Verdict
from .known_waits import c_field, coroutine_of
from .stalls import StallBook
from .wait_reason import thread_wait_reason, wait_reason

_MAX_THREAD_FRAMES: Final = 200


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at a task or thread shows, as values.

    Attributes:
        name: The name of the task or thread.
        coroutine: Qualified name of the task's coroutine function; empty for threads.
        chain: Where it is suspended or runs, innermost frame last.
        chain_note: Why the chain is not whole, for people; empty if it is.
        wait_reason: What it waits for.
        thread_id: Identifier of the thread, 0 for tasks.
        is_daemon: Whether the thread is a daemon.
    """

    name: str
    coroutine: str
    chain: tuple[NamedFrame, ...]
    chain_note: str
    wait_reason: str
    thread_id: int = 0
    is_daemon: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One group of leaked tasks or threads and its representative.

    Attributes:
        kind: ``task`` or ``thread``.
        function: Qualified function of the creation site.
        path: Its file, absolute; empty if unknown.
        line: Its line.
        verdict: What is wrong.
        since_s: For how many seconds the verdict has stood.
        evidence: What it rests on, as a clause.
        reason: The same in one sentence for people.
        count: How many are in the group.
        fingerprint: 16 hex digits, the same for the same bug in every process and release.
        sight: The representative as it was seen.
        creation: Where it was created, innermost frame last; empty if no stack was sampled.
        creation_sampled: Whether ``creation`` belongs to another of the same site.
        waiting_at: The innermost frame of the application; None if there is none.
        creator_span_name: Which request or job leaks.
        links: Contexts of distinct sampled creators' spans, the representative's first.
        age_s: Age of the representative in seconds.
        stalled_s: Seconds for which it has waited for the very same thing; None if unknown.
    """

    kind: Kind
    function: str
    path: str
    line: int
    verdict: Verdict
    since_s: float
    evidence: str
    reason: str
    count: int
    fingerprint: str
    sight: Sight
    creation: tuple[NamedFrame, ...]
    creation_sampled: bool
    waiting_at: NamedFrame | None
    creator_span_name: str
    links: tuple[SpanContext, ...]
    age_s: float
    stalled_s: float | None


def describe(group: Group, clock: AgeClock, stalls: StallBook) -> Finding | None:
    """Look at the representative of ``group`` and put the group into words, or return None if it has just ended.

    Cost: one await chain.
    """
    shown = group.representative
    found = None if shown is None else shown.reference()
    sight = group.last_sight if found is None else look_at(group.site.kind, found)
    if sight is None:
        return None
    now = clock.now()
    age = max(0.0, now - shown.created_at) if shown is not None else 0.0
    since = stalls.since(shown.serial) if shown is not None and group.site.kind == "task" else None
    stalled = None if since is None else max(0.0, now - since)
    creation, creation_sampled = creation_stack(group.site, clock, None if shown is None else shown.created_at)
    return Finding(
        kind=group.site.kind,
        function=group.site.function,
        path=group.site.path,
        line=group.site.line,
        verdict=group.verdict,
        since_s=max(0.0, now - group.since),
        evidence=group.evidence,
        reason=_reason(group, sight, age, stalled),
        count=group.count,
        fingerprint=fingerprint(group.site, sight.chain, sight.wait_reason),
        sight=sight,
        creation=named_stack(creation),
        creation_sampled=creation_sampled,
        waiting_at=waiting_at(sight.chain),
        creator_span_name=_span_name(group),
        links=tuple(span.context for span in group.spans),
        age_s=age,
        stalled_s=stalled,
    )


def look_at(kind: Kind, found: Any) -> Sight:
    """Return what a task or thread shows now. Cost: one await chain, or one stack."""
    if kind == "thread":
        waits_for, frames = _thread_stack(found)
        return Sight(thread_name(found), "", frames, "", waits_for, thread_ident(found), is_daemon(found))
    chain = walk_await_chain(coroutine_of(found), current_frames=sys._current_frames())
    name, waits_for = plain_text(name_of(found)), wait_reason(found, chain)
    return Sight(name, _coroutine_name(found, chain), named_chain(chain), chain_note(chain), waits_for)


def chain_note(chain: AwaitChain) -> str:
    """Return why a chain is not whole, for people; empty if it is."""
    if chain.truncated:
        return f"only the outermost {len(chain.frames)} frames were followed"
    return chain.partial or ""


def creation_stack(site: Site, clock: AgeClock, created_at: float | None) -> tuple[CreationStack | None, bool]:
    """Return the sampled stack of a site to show, and whether it belongs to another creation than the one asked for.

    Args:
        site: The site.
        clock: The age clock.
        created_at: When the one asked for was created, in seconds of the age clock; None for no one in particular.
    """
    sampled = [stack for stack in (site.latest_stack, site.first_stack) if stack is not None]
    for stack in sampled:
        if clock.convert(stack.created_at) == created_at:
            return stack, False
    return (sampled[0] if sampled else None), True


def duration_text(seconds: float) -> str:
    """Return a duration as people say it: ``48 seconds``, ``12 minutes``, ``3 hours``, ``2 days``."""
    for limit, unit, name in ((120, 1, "second"), (7200, 60, "minute"), (172800, 3600, "hour")):
        if seconds < limit:
            number = int(seconds // unit)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return f"{int(seconds // 86400)} days"


def _reason(group: Group, sight: Sight, age: float, stalled: float | None) -> str:
    noun = group.site.kind
    many = f"{group.count} {noun}s created at this line"
    waits = f"it is in {sight.wait_reason}"
    if stalled is not None and stalled >= 1:
        waits = f"it has waited in {sight.wait_reason} for the very same thing for {duration_text(stalled)}"
    if group.verdict == "destroyed":
        subject = f"1 {noun}" if group.count == 1 else many
        return f"{subject} {'was' if group.count == 1 else 'were'} garbage-collected while pending: {group.evidence}."
    if group.verdict == "growing":
        return f"The number of {noun}s created at this line does not stop growing: {group.evidence}."
    if group.count == 1:
        return f"1 {noun} is {duration_text(age)} old: {group.evidence}; {waits}."
    return f"{many} are left over; the one shown is {duration_text(age)} old: {group.evidence}; {waits}."


def _span_name(group: Group) -> str:
    span = group.representative.creator_span if group.representative is not None else None
    return span.name if span is not None else ""


def _coroutine_name(task: Any, chain: AwaitChain) -> str:
    """Name the application's coroutine, not the wrapper of a library around it."""
    if len(chain.frames) > 1 and _is_wrapper(chain.frames[0]):
        inner = next((frame for frame in chain.frames if not _is_wrapper(frame)), chain.frames[0])
        return function_name(inner.code, inner.module).removeprefix(f"{inner.module}.")
    coroutine = plumbing_free_coroutine(coroutine_of(task))
    kept = c_field(type(coroutine), "__qualname__")
    return plain_text(kept.__get__(coroutine)).replace("<locals>.", "") if kept is not None else ""


def _is_wrapper(frame: Frame) -> bool:
    return (frame.module.partition(".")[0], frame.code.co_name) in WRAPPER_COROUTINES


def _thread_stack(thread: threading.Thread) -> tuple[str, tuple[NamedFrame, ...]]:
    frame: FrameType | None = sys._current_frames().get(thread_ident(thread))
    if frame is None:
        return "unknown", ()
    waits_for = thread_wait_reason(frame)
    frames: list[NamedFrame] = []
    while frame is not None and len(frames) < _MAX_THREAD_FRAMES:
        module = dict.get(frame.f_globals, "__name__")
        frames.append(named_frame(frame.f_code, frame.f_lineno or 0, module if isinstance(module, str) else ""))
        frame = frame.f_back
    return waits_for, tuple(reversed(frames))
