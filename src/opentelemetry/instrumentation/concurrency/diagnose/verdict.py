"""A verdict with its evidence: everything a report says about one group, as values that hold nothing alive."""

from __future__ import annotations

import hashlib
import sys
import threading
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Literal

from opentelemetry.trace import SpanContext

from ..census.ageing import AgeClock
from ..record.naming import absolute_path, function_name, line_of
from ..record.site import CreationStack, Kind, Site, is_plumbing
from .await_chain import AwaitChain, walk_await_chain
from .orphans import OrphanGroup
from .wait_reason import thread_wait_reason, wait_reason

Verdict = Literal["orphaned", "growing", "unwakeable", "destroyed"]

_MAX_THREAD_FRAMES: Final = 200


@dataclass(frozen=True, slots=True)
class NamedFrame:
    """One frame as text: qualified function, absolute path, line, and whether it is the application's own."""

    function: str
    path: str
    line: int
    is_application: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One group of leaked tasks or threads and its representative.

    Attributes:
        kind: ``task`` or ``thread``.
        function: Qualified function of the creation site.
        path: Its file, absolute; empty if unknown.
        line: Its line.
        verdict: What is wrong.
        reason: One sentence with the evidence.
        count: How many are in the group.
        fingerprint: 16 hex digits, the same for the same bug in every process and release.
        chain: Where the representative is suspended, innermost frame last.
        chain_note: Why the chain is not whole, for people; empty if it is.
        creation: Where it was created, innermost frame last; empty if no stack was sampled.
        creation_sampled: Whether ``creation`` belongs to another of the same site.
        wait_reason: What it waits for.
        waiting_at: The innermost frame of the application; None if there is none.
        creator_span_name: Which request or job leaks.
        links: Contexts of distinct sampled creators' spans, the representative's first.
        name: The name of the task or thread.
        coroutine: Qualified name of the task's coroutine function; empty for threads.
        age_s: Age of the representative in seconds.
        thread_id: Identifier of the thread, 0 for tasks.
        is_daemon: Whether the thread is a daemon.
    """

    kind: Kind
    function: str
    path: str
    line: int
    verdict: Verdict
    reason: str
    count: int
    fingerprint: str
    chain: tuple[NamedFrame, ...]
    chain_note: str
    creation: tuple[NamedFrame, ...]
    creation_sampled: bool
    wait_reason: str
    waiting_at: NamedFrame | None
    creator_span_name: str
    links: tuple[SpanContext, ...]
    name: str
    coroutine: str
    age_s: float
    thread_id: int = 0
    is_daemon: bool = False


def describe(group: OrphanGroup, clock: AgeClock) -> Finding | None:
    """Look at the representative of ``group`` and put the group into words, or return None if it has just ended.

    Cost: one await chain.
    """
    found = group.reference()
    if found is None:
        return None
    if group.site.kind == "task":
        chain = walk_await_chain(found.get_coro(), current_frames=sys._current_frames())
        waits_for, frames, note = wait_reason(found, chain), _named_chain(chain), _chain_note(chain)
        name, coroutine, thread_id, is_daemon = found.get_name(), _coroutine_name(found), 0, False
    else:
        waits_for, frames = _thread_stack(found)
        name, coroutine, thread_id, is_daemon, note = found.name, "", found.ident or 0, found.daemon, ""
    creation, creation_sampled = _creation_stack(group, clock)
    age = max(0.0, clock.now() - group.created_at)
    return Finding(
        kind=group.site.kind,
        function=group.site.function,
        path=group.site.path,
        line=group.site.line,
        verdict="orphaned",
        reason=_reason(group, waits_for, age),
        count=group.count,
        fingerprint=fingerprint(group.site, frames, waits_for),
        chain=frames,
        chain_note=note,
        creation=named_stack(creation),
        creation_sampled=creation_sampled,
        wait_reason=waits_for,
        waiting_at=_waiting_at(frames),
        creator_span_name=group.creator_span.name if group.creator_span is not None else "",
        links=tuple(span.context for span in group.spans),
        name=str(name),
        coroutine=coroutine,
        age_s=age,
        thread_id=thread_id,
        is_daemon=is_daemon,
    )


def fingerprint(site: Site, frames: tuple[NamedFrame, ...], waits_for: str) -> str:
    """Return 16 hex digits over kind, creating function, functions of the chain and wait reason; no lines, no paths."""
    parts = [site.kind, site.function, *(frame.function for frame in frames), waits_for]
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()


def named_stack(stack: CreationStack | None) -> tuple[NamedFrame, ...]:
    """Return a creation stack as named frames, innermost last; empty for None."""
    if stack is None:
        return ()
    return tuple(_named(frame.code, line_of(frame.code, frame.lasti), frame.module) for frame in reversed(stack.frames))


def duration_text(seconds: float) -> str:
    """Return a duration as people say it: ``48 seconds``, ``12 minutes``, ``3 hours``, ``2 days``."""
    for limit, unit, name in ((120, 1, "second"), (7200, 60, "minute"), (172800, 3600, "hour")):
        if seconds < limit:
            number = int(seconds // unit)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return f"{int(seconds // 86400)} days"


def _reason(group: OrphanGroup, waits_for: str, age: float) -> str:
    noun = group.site.kind
    if group.count == 1:
        return (
            f"1 {noun} is {duration_text(age)} old: {group.evidence}, nothing waits for it, and it is in {waits_for}."
        )
    return (
        f"{group.count} {noun}s created at this line are left over; the one shown is {duration_text(age)} old: "
        f"{group.evidence}, nothing waits for it, and it is in {waits_for}."
    )


def _named(code: Any, line: int, module: str) -> NamedFrame:
    path = absolute_path(code.co_filename)
    return NamedFrame(function_name(code, module), path, line, not is_plumbing(module) and _is_application_path(path))


def _is_application_path(path: str) -> bool:
    return not path.startswith((_STDLIB, "<frozen")) and not _is_library_path(path)


def _is_library_path(path: str) -> bool:
    return "site-packages" in path or "dist-packages" in path


def _waiting_at(frames: tuple[NamedFrame, ...]) -> NamedFrame | None:
    """Return the innermost frame of the application; where there is none, of a library."""
    for frame in reversed(frames):
        if frame.is_application:
            return frame
    return next((frame for frame in reversed(frames) if _is_library_path(frame.path)), None)


_STDLIB: Final = threading.__file__.removesuffix("threading.py")


def _named_chain(chain: AwaitChain) -> tuple[NamedFrame, ...]:
    return tuple(_named(frame.code, frame.line, frame.module) for frame in chain.frames)


def _chain_note(chain: AwaitChain) -> str:
    if chain.truncated:
        return f"only the outermost {len(chain.frames)} frames were followed"
    return chain.partial or ""


def _coroutine_name(task: Any) -> str:
    name = getattr(task.get_coro(), "__qualname__", None)
    return name.replace("<locals>.", "") if isinstance(name, str) else ""


def _thread_stack(thread: threading.Thread) -> tuple[str, tuple[NamedFrame, ...]]:
    frame: FrameType | None = sys._current_frames().get(thread.ident or 0)
    if frame is None:
        return "unknown", ()
    waits_for = thread_wait_reason(frame)
    frames: list[NamedFrame] = []
    while frame is not None and len(frames) < _MAX_THREAD_FRAMES:
        module = frame.f_globals.get("__name__")
        frames.append(_named(frame.f_code, frame.f_lineno, module if isinstance(module, str) else ""))
        frame = frame.f_back
    return waits_for, tuple(reversed(frames))


def _creation_stack(group: OrphanGroup, clock: AgeClock) -> tuple[CreationStack | None, bool]:
    """Return the sampled stack to show, and whether it belongs to another creation than the representative's."""
    sampled = [stack for stack in (group.site.latest_stack, group.site.first_stack) if stack is not None]
    for stack in sampled:
        if clock.convert(stack.created_at) == group.created_at:
            return stack, False
    return (sampled[0] if sampled else None), True
