"""Output of ``leaks``: one block per leak, with its site, evidence, stack and creation stack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from ..render.creation_text import callers_of_line, creation_heading, started_lines
from ..render.name_text import sanitize_name
from ..render.place_text import age_text, created_by, function_text, position_text, state_text
from ..snapshot.values import CreationSite, LivePicture, StackEntry, nearest_creation
from .site_cells import site_of

_REASON_LIMIT: Final = 1000
_LIBRARY: Final = re.compile(r"/(?:site|dist)-packages/|/lib(?:64)?/python3\.\d+/|^<frozen ")
_MOST_LIBRARY_FRAMES: Final = 2


def leak_block(group: Sequence[LivePicture], *, full: bool, impact: Iterable[str] = ()) -> Iterator[str]:
    """Yield the block of tasks or threads that share site, stack, wait reason and verdict.

    Args:
        group: Its members, oldest first.
        full: Whether to show all library frames.
        impact: Lines about what the leak costs.
    """
    oldest = group[0]
    yield from _head(len(group), str(oldest.verdict), oldest.kind, oldest.site)
    reason = f": {sanitize_name(oldest.reason, _REASON_LIMIT)}" if oldest.reason else ""
    before = sum(one.before_attach for one in group)
    if before and oldest.site.path:
        yield f"  {before} of them created before attach; only this line has started that function since\n"
    yield f"  the oldest is {age_text(oldest)} old{reason}\n"
    yield from impact
    yield f"  it waits in {state_text(oldest.wait_reason, oldest.stalled_s, None)}\n"
    yield from _frames(oldest.stack, full=full)
    creation, sampled = nearest_creation((one.creation_stack, one.creation_sampled) for one in group)
    yield from _creation(oldest.kind, oldest.site, creation, sampled=sampled, of_one=oldest.creation_sampled, full=full)
    if oldest.deadlock:
        cycle = [*oldest.deadlock, oldest.deadlock[0]]
        yield f"  deadlock: {' awaits '.join(f'task {serial}' for serial in cycle)}\n"
    yield "\n"


def growing_block(
    facts: dict[str, Any], *, full: bool, verdict: str = "growing", impact: Iterable[str] = ()
) -> Iterator[str]:
    """Yield the block of a growing site, or of a site with young threads.

    Args:
        facts: The site as an agent describes it; agents of earlier versions give only line, count and reason.
        full: Whether to show all library frames.
        verdict: The verdict in the head of the block.
        impact: Lines about what the leak costs.
    """
    kind = facts["kind"]
    site = site_of(facts)
    yield from _head(facts["count"], verdict, kind, site)
    yield f"  {sanitize_name(facts['reason'], _REASON_LIMIT)}\n"
    yield from impact
    waits = facts.get("waits") or ()
    if waits:
        yield f"  where its old {kind}s wait\n"
    for wait in waits:
        place = _position(_entry(wait["at"])) if wait.get("at") else "an unknown place"
        yield f"    {wait['count']} at {place} [{sanitize_name(wait['wait_reason'])}]\n"
    stack = _entries(facts.get("stack"))
    if stack:
        state = state_text(sanitize_name(facts.get("wait_reason", "unknown")), facts.get("stalled_s"), None)
        yield f"  one of {'the largest group' if waits else 'them'} waits in {state}\n"
        yield from _frames(stack, full=full)
    creation = _entries(facts.get("creation_stack"))
    yield from _creation(kind, site, creation, sampled=facts.get("creation_sampled", True), of_one=True, full=full)
    yield "\n"


def ended_badly_block(facts: dict[str, Any]) -> Iterator[str]:
    """Yield the block of a site whose tasks were destroyed while pending, or whose exceptions were never retrieved."""
    endings = []
    if facts["destroyed"]:
        endings.append(f"{_counted(facts['destroyed'], facts['kind'])} destroyed while pending")
    if facts["unretrieved"]:
        endings.append(f"{_counted(facts['unretrieved'], facts['kind'])} failed, exception never retrieved")
    site = site_of(facts)
    yield f"{', '.join(endings)}: {_creator(site)}\n"
    yield from started_lines(site, "  ", "  ")
    yield f"  of {_counted(facts['created'], facts['kind'])} created there\n\n"


def _head(count: int, verdict: str, kind: str, site: CreationSite) -> Iterator[str]:
    yield f"{_counted(count, kind)} {verdict}: {_creator(site)}\n"
    yield from started_lines(site, "  ", "  ")


def _creation(
    kind: Any, site: CreationSite, creation: tuple[StackEntry, ...], *, sampled: bool, of_one: bool, full: bool
) -> Iterator[str]:
    """Yield a creation stack, unless the first lines of the block already contain it."""
    if callers_of_line(site, creation):
        heading = creation_heading(kind, sampled=sampled)
        yield f"  {heading}{' of one of them' if of_one and not sampled else ''}\n"
        yield from _frames(creation, full=full)


def _frames(stack: Sequence[StackEntry], *, full: bool) -> Iterator[str]:
    """Yield frames, innermost first; unless ``full``, consecutive library frames are reduced to the innermost."""
    for is_library, alike in groupby(reversed(stack), key=_is_library):
        frames = list(alike)
        shown_frames = frames[:1] if is_library and not full and len(frames) > _MOST_LIBRARY_FRAMES else frames
        for entry in shown_frames:
            yield f"    {function_text(entry)}  {position_text(entry)}\n"
        left_out = len(frames) - len(shown_frames)
        if left_out:
            yield f"    ... {left_out} more library frames; --full shows them\n"


def _is_library(entry: StackEntry) -> bool:
    return _LIBRARY.search(entry.path) is not None


def _creator(site: CreationSite) -> str:
    return f"{created_by(site)} {position_text(site)}".rstrip()


def _position(place: StackEntry) -> str:
    return f"{function_text(place)} {position_text(place)}".rstrip()


def _counted(count: int, kind: str) -> str:
    return f"{count} {kind}{'' if count == 1 else 's'}"


def _entries(frames: Iterable[dict[str, Any]] | None) -> tuple[StackEntry, ...]:
    return tuple(map(_entry, frames or ()))


def _entry(frame: dict[str, Any]) -> StackEntry:
    return StackEntry(frame["function"], frame["path"], frame["line"])
