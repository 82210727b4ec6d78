"""Output of ``leaks``: one block per leak, with its site, evidence, stack and creation stack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..durations import duration_text
from ..record.naming import CodeLine
from ..render.creation_text import callers_of_line, creation_heading
from ..render.name_text import sanitize_name
from ..render.place_text import age_text, created_by, function_text, position_text, state_text
from ..snapshot.grouping import nearest_creation
from ..snapshot.values import CreationSite, LivePicture
from .fitting import place_lines, sentence_lines
from .site_cells import site_of

_REASON_LIMIT: Final = 1000
_LIBRARY: Final = re.compile(r"/(?:site|dist)-packages/|/lib(?:64)?/python3\.\d+/|^<frozen ")


@dataclass(frozen=True, slots=True)
class Form:
    """How blocks are written.

    Attributes:
        full: Whether to show library frames.
        width: Width of the terminal; 0 for no limit.
    """

    full: bool = False
    width: int = 0


def leak_block(group: Sequence[LivePicture], form: Form, impact: Iterable[str] = ()) -> Iterator[str]:
    """Yield the block of tasks or threads that share site, stack, wait reason and verdict.

    Args:
        group: Its members, oldest first.
        form: How the block is written.
        impact: Sentences about what the leak costs.
    """
    oldest = group[0]
    yield from _head(len(group), str(oldest.verdict), oldest.kind, oldest.site, form)
    reason = f": {sanitize_name(oldest.reason, _REASON_LIMIT)}" if oldest.reason else ""
    before = sum(one.before_attach for one in group)
    if before and oldest.site.path:
        text = f"  {before} of them created before attach; only this line has started that function since"
        yield from sentence_lines(text, form.width)
    which = "the oldest" if len(group) > 1 else "it"
    yield from sentence_lines(f"  {which} is {age_text(oldest)} old{reason}", form.width)
    yield from _impact(impact, form)
    yield f"  it waits in {state_text(oldest.wait_reason, oldest.stalled_s, None)}\n"
    yield from _frames(oldest.stack, form)
    creation, sampled = nearest_creation((one.creation_stack, one.creation_sampled) for one in group)
    of_one = oldest.creation_sampled and len(group) > 1
    yield from _creation(oldest.kind, oldest.site, creation, form, sampled=sampled, of_one=of_one)
    if oldest.deadlock:
        cycle = [*oldest.deadlock, oldest.deadlock[0]]
        yield from sentence_lines(f"  deadlock: {' awaits '.join(f'task {each}' for each in cycle)}", form.width)
    yield "\n"


def growing_block(
    facts: dict[str, Any], form: Form, *, verdict: str = "growing", impact: Iterable[str] = ()
) -> Iterator[str]:
    """Yield the block of a growing site, or of a site with young threads.

    Args:
        facts: The site as an agent describes it; agents of earlier versions give only line, count and reason.
        form: How the block is written.
        verdict: The verdict in the head of the block.
        impact: Sentences about what the leak costs.
    """
    kind = facts["kind"]
    site = site_of(facts)
    yield from _head(facts["count"], verdict, kind, site, form)
    yield from sentence_lines(f"  {sanitize_name(facts['reason'], _REASON_LIMIT)}", form.width)
    yield from _impact(impact, form)
    waits = facts.get("waits") or ()
    if waits:
        yield f"  where its old {kind}s wait\n"
    for wait in waits:
        entry = _entry(wait["at"]) if wait.get("at") else CodeLine("an unknown place", "", 0)
        reason = f" [{sanitize_name(wait['wait_reason'])}]"
        width = max(form.width - len(reason), 20) if form.width else 0
        place = _place(f"    {wait['count']} at ", entry, width, gap=" ")
        yield from (f"{line.rstrip()}{reason if number == 0 else ''}\n" for number, line in enumerate(place))
    stack = _entries(facts.get("stack"))
    if stack:
        state = state_text(sanitize_name(facts.get("wait_reason", "unknown")), facts.get("stalled_s"), None)
        yield f"  one of {'the largest group' if waits else 'them'} waits in {state}\n"
        yield from _frames(stack, form)
    creation = _entries(facts.get("creation_stack"))
    yield from _creation(kind, site, creation, form, sampled=facts.get("creation_sampled", True), of_one=True)
    yield "\n"


def ended_badly_block(facts: dict[str, Any], form: Form) -> Iterator[str]:
    """Yield the block of a site whose tasks were destroyed while pending, or whose exceptions were never retrieved."""
    endings = []
    if facts["destroyed"]:
        endings.append(f"{_counted(facts['destroyed'], facts['kind'])} destroyed while pending")
    if facts["unretrieved"]:
        endings.append(f"{_counted(facts['unretrieved'], facts['kind'])} failed, exception never retrieved")
    site = site_of(facts)
    yield from creator_lines(f"{', '.join(endings)}: ", site, form.width)
    yield from _started(site, form)
    yield f"  of {_counted(facts['created'], facts['kind'])} created there\n"
    yield "\n"


def finished_block(facts: dict[str, Any], form: Form) -> Iterator[str]:
    """Yield the block of a collection that keeps finished tasks."""
    text = f"{facts['count']} finished tasks kept in {sanitize_name(facts['held_by'], _REASON_LIMIT)}"
    yield from sentence_lines(text, form.width)
    rise = f"  there were {facts['before']} of them {duration_text(facts['over_s'])} ago"
    yield from sentence_lines(rise, form.width)
    if facts["function"]:
        yield from _place("  ran ", _entry(facts), form.width)
    text = "  each keeps its result or exception: remove it, for example with task.add_done_callback(tasks.discard)"
    yield from sentence_lines(text, form.width)
    yield "\n"


def stale_span_block(facts: dict[str, Any], form: Form) -> Iterator[str]:
    """Yield the block of tasks that are not leaks but still carry the span of an ended request."""
    site, count = site_of(facts), facts["count"]
    heading = f"{_counted(count, facts['kind'])} with the span of an ended request: "
    yield from creator_lines(heading, site, form.width)
    yield from _started(site, form)
    span, ended = sanitize_name(facts["span"], _REASON_LIMIT), duration_text(facts["ended_s"])
    their = "this task" if count == 1 else "these tasks"
    text = f"  the request {span!r} ended {ended} ago; the spans of {their} join its trace"
    yield from sentence_lines(text, form.width)
    text = "  start them with an empty context: create_task(..., context=contextvars.Context()), Python >= 3.11"
    yield from sentence_lines(text, form.width)
    yield "\n"


def generators_block(facts: dict[str, Any], form: Form) -> Iterator[str]:
    """Yield the block of a function whose asynchronous generators were left half way."""
    site, count = site_of(facts), facts["count"]
    text = f"{count} asynchronous generator{'' if count == 1 else 's'} left half way: {function_text(site)}"
    yield from place_lines(text, "", position_text(site), form.width, gap=" ")
    text = (
        "  the event loop closed them later, in tasks of its own: close them with contextlib.aclosing() where you break"
    )
    yield from sentence_lines(text, form.width)
    yield "\n"


def unawaited_block(facts: dict[str, Any], form: Form) -> Iterator[str]:
    """Yield the block of a function whose coroutines were never awaited."""
    count = facts["count"]
    text = f"{count} coroutine{'' if count == 1 else 's'} never awaited: "
    yield from _place(text, _entry(facts), form.width, gap=" ")
    if facts["dropped"]["path"]:
        yield from _place(
            f"  {'most of them' if count > 1 else 'it was'} dropped in ", _entry(facts["dropped"]), form.width
        )
    yield from sentence_lines("  await the call, or start a task with it", form.width)
    yield "\n"


def _head(count: int, verdict: str, kind: str, site: CreationSite, form: Form) -> Iterator[str]:
    yield from creator_lines(f"{_counted(count, kind)} {verdict}: ", site, form.width)
    yield from _started(site, form)


def creator_lines(prefix: str, site: CreationSite, width: int) -> Iterator[str]:
    """Yield the creating function with its file and line."""
    created = created_by(site)
    name = function_text(site)
    if created.endswith(name):
        yield from place_lines(f"{prefix}{created.removesuffix(name)}", name, position_text(site), width, gap=" ")
    else:
        yield from place_lines(f"{prefix}{created}", "", position_text(site), width, gap=" ")


def _impact(sentences: Iterable[str], form: Form) -> Iterator[str]:
    for sentence in sentences:
        heading, colon, value = sentence.removesuffix("\n").partition(": ")
        if " " in value:
            yield from sentence_lines(f"{heading}{colon}{value}", form.width)
        else:
            yield from place_lines(f"{heading}{colon}", value, "", form.width)


def _started(site: CreationSite, form: Form) -> Iterator[str]:
    if site.runs:
        yield from place_lines("  runs ", sanitize_name(site.runs), "", form.width)
    for spawner in site.via:
        yield from _place("  through ", spawner, form.width)


def _creation(
    kind: Any, site: CreationSite, creation: tuple[CodeLine, ...], form: Form, *, sampled: bool, of_one: bool
) -> Iterator[str]:
    """Yield a creation stack, unless the first lines of the block already contain what it would show."""
    if any(form.full or not is_library(caller) for caller in callers_of_line(site, creation)):
        heading = creation_heading(kind, sampled=sampled)
        yield f"  {heading}{' of one of them' if of_one and not sampled else ''}\n"
        yield from _frames(creation, form)


def _frames(stack: Sequence[CodeLine], form: Form) -> Iterator[str]:
    """Yield the frames of the application, innermost first; library frames only if ``full`` or if there are no others.

    The innermost frame of a stack without application frames still names what it waits for.
    """
    frames = list(reversed(stack))
    chosen = frames if form.full else [entry for entry in frames if not is_library(entry)] or frames[:1]
    for entry in chosen:
        yield from _place("    ", entry, form.width)


def has_hidden_frames(stacks: Iterable[Sequence[CodeLine]]) -> bool:
    """Return whether stacks contain frames that are shown only by ``--full``."""
    return any(any(map(is_library, stack)) for stack in stacks)


def is_library(entry: CodeLine) -> bool:
    """Return whether a frame belongs to the standard library or an installed package."""
    return _LIBRARY.search(entry.path) is not None


def _place(prefix: str, place: CreationSite | CodeLine, width: int, *, gap: str = "  ") -> Iterator[str]:
    return place_lines(prefix, function_text(place), position_text(place), width, gap=gap)


def _counted(count: int, kind: str) -> str:
    return f"{count} {kind}{'' if count == 1 else 's'}"


def _entries(frames: Iterable[dict[str, Any]] | None) -> tuple[CodeLine, ...]:
    return tuple(map(_entry, frames or ()))


def _entry(frame: dict[str, Any]) -> CodeLine:
    return CodeLine(frame["function"], frame["path"], frame["line"])
