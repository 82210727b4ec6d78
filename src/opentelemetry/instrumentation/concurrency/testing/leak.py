"""What is said of one leak: values that hold no task, thread or frame alive, and their text."""

from __future__ import annotations

import linecache
import threading
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ..census.snapshot import CreationSite
from ..diagnose.creator_ended import creator_ended
from ..diagnose.fingerprint import NamedFrame, fingerprint, named_stack, waiting_at
from ..diagnose.ownership import is_owned
from ..diagnose.verdict import duration_text, look_at
from ..record.site import CreationStack, Kind, Site

if TYPE_CHECKING:
    from .recording import Leftover, Recording

Ending = Literal["alive", "cancelled", "destroyed"]

_ENDINGS: Final = {
    "alive": "still there",
    "cancelled": "still there when the runner ended its loop",
    "destroyed": "garbage-collected while pending",
}
_CLOSED: Final = "the garbage collector had closed its coroutine before the task"


@dataclass(frozen=True, slots=True)
class Leak:
    """One task or thread that outlived the block that was checked.

    Attributes:
        kind: ``task`` or ``thread``.
        serial: Its number in this process, never used again; 0 for one that was destroyed.
        name: The name of the task or thread.
        coroutine: Qualified name of the task's coroutine function; empty for threads.
        site: The line that created it.
        creation_stack: The whole stack of its creation up to the test, innermost last; empty if it was not recorded.
        stack: Where it is suspended or runs, the whole await chain, innermost last.
        note: Why that stack is not whole, for people; empty if it is.
        wait_reason: What it waits for, one of the contract's closed list.
        verdict: ``unwakeable``, ``orphaned``, ``destroyed``, or None.
        evidence: What the verdict rests on, as a clause; empty without one.
        ending: ``alive``, ``cancelled`` by the runner at the end of its loop, or ``destroyed`` while pending.
        age_s: Seconds since its creation.
        created_by: The task or thread that created it, for people.
        is_daemon: Whether a thread is a daemon.
        fingerprint: 16 hex digits, the same for the same bug in every process and release.
    """

    kind: Kind
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

    @property
    def waiting_at(self) -> NamedFrame | None:
        """The innermost frame of the application; where there is none, of a library."""
        return waiting_at(self.stack)

    @property
    def headline(self) -> str:
        """One line: what it is, where it was created, what it waits for."""
        what = f"{self.kind} {self.name!r}" + (f" ({self.coroutine})" if self.coroutine else "")
        verdict = f", {self.verdict}" if self.verdict and self.verdict != self.ending else ""
        return f"{what} created by {site_text(self.site)} in {self.wait_reason}{verdict}, {_ENDINGS[self.ending]}"


def site_text(site: CreationSite) -> str:
    """Return a site as ``function (path:line)``, or the name alone where there is no more."""
    return f"{site.function} ({site.path}:{site.line})" if site.path else site.function


def leak_of(recording: Recording, one: Leftover, *, ending: Ending = "alive", evidence: str = "") -> Leak | None:
    """Look at what is left and put it into words, or return None if it has just ended.

    Args:
        recording: Where it was recorded.
        one: What is left.
        ending: How it ends.
        evidence: Why nothing will wake it, where that is proven.
    """
    found = one.reference()
    if found is None:
        return None
    verdict, evidence = ("unwakeable", evidence) if evidence else _orphaned(one, found)
    age = max(0.0, recording.census.clock.now() - one.created_at)
    return _leak(found, one.kind, one.serial, one.site, one.stack, verdict, evidence, ending, age, _creator_text(one))


def destroyed_leak(task: Any, site: Site, stack: CreationStack) -> Leak:
    """Put a task into words that is being garbage-collected while pending."""
    return _leak(task, "task", 0, site, stack, "destroyed", "nothing held it any more", "destroyed", 0.0, "")


def leak_texts(leaks: Iterable[Leak]) -> Iterator[str]:
    """Yield the lines of a report: one block for those that are alike, with both stacks in full, most first."""
    groups: defaultdict[Hashable, list[Leak]] = defaultdict(list)
    for leak in leaks:
        groups[leak.fingerprint, leak.site, leak.creation_stack, leak.stack, leak.verdict, leak.ending].append(leak)
    for alike in sorted(groups.values(), key=lambda group: -len(group)):
        yield from _block(alike)


def _block(alike: list[Leak]) -> Iterator[str]:
    leak = max(alike, key=lambda one: one.age_s)
    more = f"  and {len(alike) - 1} more like it" if len(alike) > 1 else ""
    daemon = ", a daemon" if leak.is_daemon else ""
    yield f"* {leak.kind} {leak.name!r}{f' running {leak.coroutine}' if leak.coroutine else ''}{daemon}{more}"
    yield f"  {_ENDINGS[leak.ending]}; wait reason: {leak.wait_reason}; age: {duration_text(leak.age_s)}"
    verdict = "none" if leak.verdict is None else f"{leak.verdict}: {leak.evidence}"
    yield f"  verdict: {verdict}"
    yield f"  created by {site_text(leak.site)}{f' in {leak.created_by}' if leak.created_by else ''}, innermost last:"
    yield from _frame_lines(leak.creation_stack)
    yield "  now, innermost last:"
    yield from _frame_lines(leak.stack)
    if leak.note:
        yield f"    ({leak.note})"


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
    except Exception:  # noqa: BLE001 (detectors of blocking calls forbid to read files in a loop)
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
    sight = look_at(kind, found)
    coroutine = sight.coroutine
    if kind == "task" and not coroutine:
        coroutine = type(found.get_coro()).__name__
    return Leak(
        kind=kind,
        serial=serial,
        name=sight.name,
        coroutine=coroutine,
        site=CreationSite(site.function, site.path, site.line),
        creation_stack=named_stack(stack),
        stack=sight.chain,
        note=_CLOSED if ending == "destroyed" and not sight.chain else sight.chain_note,
        wait_reason=sight.wait_reason,
        verdict=verdict,
        evidence=evidence,
        ending=ending,
        age_s=age,
        created_by=created_by,
        is_daemon=sight.is_daemon,
        fingerprint=fingerprint(site, sight.chain, sight.wait_reason),
    )


def _orphaned(one: Leftover, found: Any) -> tuple[str | None, str]:
    ended = creator_ended(one.creator, one.creator_span)
    if ended is None or (one.kind == "task" and is_owned(found)):
        return None, ""
    return "orphaned", ended + (", and nothing waits for it" if one.kind == "task" else "")


def _creator_text(one: Leftover) -> str:
    creator = one.creator() if one.creator is not None else None
    if creator is None:
        return ""
    if hasattr(creator, "get_coro"):
        return f"task {str(creator.get_name())!r}"
    return f"thread {str(creator.name)!r}"


def living_text(recording: Recording, title: str) -> Iterator[str]:
    """Yield a grouped dump of every task and thread that lives now, most first; for tests that timed out."""
    me = threading.current_thread()
    # The watchdog's own thread says nothing; the main thread, which a signal has stopped, says where the test hangs.
    living = [one for one in recording.everything() if one.reference() is not me or me is threading.main_thread()]
    tasks = sum(one.kind == "task" for one in living)
    yield f"{title}: {tasks} tasks and {len(living) - tasks} threads, those alike together"
    yield from leak_texts(leak for one in living if (leak := leak_of(recording, one)) is not None)
