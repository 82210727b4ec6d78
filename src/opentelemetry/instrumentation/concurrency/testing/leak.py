"""Leaks as values that keep no task, thread or frame alive, and their text."""

from __future__ import annotations

import linecache
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Literal

from ..diagnose.introspection.fields import is_a
from ..diagnose.introspection.fingerprint import NamedFrame, fingerprint, named_stack, waiting_at
from ..diagnose.ownership.creator_ended import creator_ended
from ..diagnose.ownership.owners import is_owned
from ..diagnose.verdict.observation import observe
from ..durations import duration_text
from ..record.creation_stack import CreationStack
from ..record.naming import CodeLine
from ..record.site import Kind, Site
from ..snapshot.grouping import alike
from ..snapshot.values import CreationSite
from .leftover import LeakKind, Leftover
from .sessions import session_name

Ending = Literal["alive", "cancelled", "destroyed"]

_ENDINGS: Final = {
    "alive": "still there",
    "cancelled": "still there when the runner ended its loop",
    "destroyed": "garbage-collected while pending",
}
_OPTIONAL_ENDINGS: Final = {
    ("timer", "alive"): "still scheduled",
    ("timer", "cancelled"): "still scheduled when its loop was closed",
    ("session", "alive"): "still open",
    ("session", "destroyed"): "garbage-collected while open",
}
OPTIONAL: Final = frozenset({"timer", "session"})
_TIMER_ADVICE: Final = "Keep the handle that call_later or call_at returned, and call handle.cancel() on every path."
_SESSION_ADVICE: Final = (
    ("ClientSession", "aiohttp", "Open the session in 'async with', or 'await session.close()' on every path."),
    ("AsyncClient", "httpx", "Open the client in 'async with', or 'await client.aclose()' on every path."),
    ("Client", "httpx", "Open the client in 'with', or call client.close() on every path."),
)
_CLOSED: Final = "the garbage collector closed its coroutine before it finalized the task"


@dataclass(frozen=True, slots=True)
class Leak:
    """A task or thread, or a timer or session, that outlived the checked block.

    A timer or session has no stack of its own, no wait reason and no verdict: these fields are empty.

    Attributes:
        kind: ``task``, ``thread``, ``timer`` or ``session``.
        serial: Its number in this process, which is never reused; 0 for a destroyed task.
        name: The name of the task or thread; the class of a session; empty for timers.
        coroutine: Qualified name of the task's outermost coroutine function; empty for threads.
        site: The creating line, the function it starts, and the spawners in between.
        creation_stack: The stack of its creation up to the test, innermost last; empty if it was not recorded.
        stack: The frames in which it is suspended or runs, including the await chain, innermost last.
        note: Human-readable reason for an incomplete stack; empty if it is complete.
        wait_reason: The wait reason, from the closed list in the documentation.
        verdict: ``unwakeable``, ``orphaned``, ``destroyed``, or None.
        evidence: The evidence for the verdict, as a clause; empty without one.
        ending: ``alive``, ``cancelled`` by the runner at the end of its loop, or ``destroyed`` while pending; a timer
            is ``cancelled`` if its loop was closed, a session ``destroyed`` if it was garbage-collected while open.
        age_s: Seconds since its creation.
        created_by: Description of the task or thread that created it.
        is_daemon: Whether a thread is a daemon.
        fingerprint: 16 hex digits, the same for the same bug in every process and release.
        held_by: Name of the variable that keeps the task, or refers to the thread or its executor; empty if none was
            found.
        waits_on: Name of the variable that holds what it waits for; empty if none was found.
        advice: One sentence about what usually ends such a leak; empty if none is certain enough.
        due_in_s: Seconds until a timer is due; None for other kinds, and if unknown.
    """

    kind: LeakKind
    serial: int
    name: str
    coroutine: str
    site: CreationSite
    creation_stack: tuple[NamedFrame, ...]
    stack: tuple[NamedFrame, ...]
    note: str
    wait_reason: str
    verdict: str | None
    evidence: str
    ending: Ending
    age_s: float
    created_by: str
    is_daemon: bool
    fingerprint: str
    held_by: str = ""
    waits_on: str = ""
    advice: str = ""
    due_in_s: float | None = None

    @property
    def waiting_at(self) -> NamedFrame | None:
        """The innermost application frame, or else the innermost library frame."""
        return waiting_at(self.stack)

    @property
    def runs(self) -> str:
        """The started coroutine function or thread target rather than a wrapper around it; empty if unknown."""
        return self.site.runs or self.coroutine

    @property
    def headline(self) -> str:
        """One line with its kind, name, function, creating line and wait reason."""
        name = f" {self.name!r}" if self.name else ""
        what = f"{self.kind}{name}" + (f" ({self.runs})" if self.runs else "")
        if self.kind in OPTIONAL:
            return f"{what} created by {site_text(self.site)}, {ending_text(self)}"
        verdict = f", {self.verdict}" if self.verdict and self.verdict != self.ending else ""
        return f"{what} created by {site_text(self.site)} in {self.wait_reason}{verdict}, {_ENDINGS[self.ending]}"


def site_text(site: CreationSite | CodeLine) -> str:
    """Return a line as ``function (path:line)``, or only the name if nothing else is known."""
    return f"{site.function} ({site.path}:{site.line})" if site.path else site.function


def ending_text(leak: Leak) -> str:
    """Return how a leak ended, as a clause."""
    return _OPTIONAL_ENDINGS.get((leak.kind, leak.ending), _ENDINGS[leak.ending])


def leak_of(one: Leftover, *, ending: Ending = "alive", evidence: str = "") -> Leak | None:
    """Describe a leftover; None if it has just ended.

    Args:
        one: The leftover.
        ending: How it ended.
        evidence: The proof that nothing can wake it; empty without one.
    """
    found = one.reference()
    if found is None:
        return None
    if one.kind == "timer" or one.kind == "session":
        return optional_leak(one, found, ending)
    verdict, evidence = ("unwakeable", evidence) if evidence else _orphaned(one, found)
    return _leak(
        found, one.kind, one.serial, one.site, one.stack, verdict, evidence, ending, one.age_s, creator_text(one)
    )


def destroyed_leak(task: Any, site: Site, stack: CreationStack) -> Leak:
    """Describe a task that is being garbage-collected while pending."""
    return _leak(task, "task", 0, site, stack, "destroyed", "nothing referenced it any more", "destroyed", 0.0, "")


def optional_leak(one: Leftover, found: Any, ending: Ending = "alive") -> Leak:
    """Describe a timer or session.

    Args:
        one: The leftover.
        found: The timer or session itself; nothing but its type is read.
        ending: How it ended.
    """
    is_timer = one.kind == "timer"
    site = one.site
    return Leak(
        kind=one.kind,
        serial=one.serial,
        name="" if is_timer else session_name(type(found)),
        coroutine="",
        site=CreationSite(site.function, site.path, site.line, site.runs, site.via),
        creation_stack=named_stack(one.stack),
        stack=(),
        note="",
        wait_reason="",
        verdict=None,
        evidence="",
        ending=ending,
        age_s=one.age_s,
        created_by=creator_text(one),
        is_daemon=False,
        # Sites have only the kinds that are recorded in production; the kind takes the place of the wait reason.
        fingerprint=fingerprint(site, (), one.kind),
        advice=_TIMER_ADVICE if is_timer else _advice_on_session(found),
        due_in_s=None if one.due_at is None else max(0.0, one.due_at - monotonic()),
    )


def _advice_on_session(session: Any) -> str:
    return next((advice for name, package, advice in _SESSION_ADVICE if is_a(session, name, package)), "")


def leak_texts(leaks: Iterable[Leak]) -> Iterator[str]:
    """Yield the lines of a report: one block per group of similar leaks, largest first, with both stacks in full."""
    groups = alike(
        leaks, lambda one: (one.fingerprint, one.site, one.creation_stack, one.stack, one.verdict, one.ending)
    )
    for group in sorted(groups, key=len, reverse=True):
        yield from _block(group)


def _block(group: list[Leak]) -> Iterator[str]:
    leak = max(group, key=lambda one: one.age_s)
    more = f"  and {len(group) - 1} more like it" if len(group) > 1 else ""
    daemon = ", a daemon" if leak.is_daemon else ""
    name = f" {leak.name!r}" if leak.name else ""
    yield f"* {leak.kind}{name}{f' running {leak.runs}' if leak.runs else ''}{daemon}{more}"
    if leak.kind in OPTIONAL:
        yield from _optional_block(leak)
        return
    yield f"  {_ENDINGS[leak.ending]}; wait reason: {leak.wait_reason}; age: {duration_text(leak.age_s)}"
    verdict = "none" if leak.verdict is None else f"{leak.verdict}: {leak.evidence}"
    yield f"  verdict: {verdict}"
    yield f"  created by {site_text(leak.site)}{f' in {leak.created_by}' if leak.created_by else ''}, innermost last:"
    yield from _frame_lines(leak.creation_stack)
    if leak.site.via:
        yield f"  through {', '.join(site_text(line) for line in reversed(leak.site.via))}"
    yield "  now, innermost last:"
    yield from _frame_lines(leak.stack)
    if leak.held_by:
        yield f"  held by: {leak.held_by}"
    if leak.waits_on:
        yield f"  waits on: {leak.waits_on}"
    if leak.note:
        yield f"    ({leak.note})"
    if leak.advice:
        yield f"  advice: {leak.advice}"


def _optional_block(leak: Leak) -> Iterator[str]:
    due = "" if leak.due_in_s is None else f"; due in: {duration_text(leak.due_in_s)}"
    yield f"  {ending_text(leak)}{due}; age: {duration_text(leak.age_s)}"
    yield f"  created by {site_text(leak.site)}{f' in {leak.created_by}' if leak.created_by else ''}, innermost last:"
    yield from _frame_lines(leak.creation_stack)
    if leak.site.via:
        yield f"  through {', '.join(site_text(line) for line in reversed(leak.site.via))}"
    yield f"  advice: {leak.advice}"


def _frame_lines(frames: tuple[NamedFrame, ...]) -> Iterator[str]:
    if not frames:
        yield "    (not known)"
    for frame in frames:
        yield f'    File "{frame.path}", line {frame.line}, in {frame.function}'
        source = _source_line(frame)
        if source:
            yield f"      {source}"


def _source_line(frame: NamedFrame) -> str:
    try:
        return linecache.getline(frame.path, frame.line).strip()
    except Exception:  # noqa: BLE001 (detectors of blocking calls forbid reading files in a loop)
        return ""


def _leak(
    found: Any,
    kind: Kind,
    serial: int,
    site: Site,
    stack: CreationStack | None,
    verdict: str | None,
    evidence: str,
    ending: Ending,
    age: float,
    created_by: str,
) -> Leak:
    observation = observe(kind, found)
    coroutine = observation.coroutine
    if kind == "task" and not coroutine:
        coroutine = type(found.get_coro()).__name__
    return Leak(
        kind=kind,
        serial=serial,
        name=observation.name,
        coroutine=coroutine,
        site=CreationSite(site.function, site.path, site.line, site.runs, site.via),
        creation_stack=named_stack(stack),
        stack=observation.chain,
        note=_CLOSED if ending == "destroyed" and not observation.chain else observation.chain_note,
        wait_reason=observation.wait_reason,
        verdict=verdict,
        evidence=evidence,
        ending=ending,
        age_s=age,
        created_by=created_by,
        is_daemon=observation.is_daemon,
        fingerprint=fingerprint(site, observation.chain, observation.wait_reason),
    )


def _orphaned(one: Leftover, found: Any) -> tuple[str | None, str]:
    ended = creator_ended(one.creator, one.creator_span)
    if ended is None or (one.kind == "task" and is_owned(found)):
        return None, ""
    return "orphaned", ended + (", and nothing waits for it" if one.kind == "task" else "")


def creator_text(one: Leftover) -> str:
    """Return a description of the task or thread that created a leftover; empty if it is gone."""
    creator = one.creator() if one.creator is not None else None
    if creator is None:
        return ""
    if hasattr(creator, "get_coro"):
        return f"task {str(creator.get_name())!r}"
    return f"thread {str(creator.name)!r}" if isinstance(creator, threading.Thread) else "a job"
