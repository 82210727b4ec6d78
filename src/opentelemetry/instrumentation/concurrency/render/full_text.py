"""The full text (``debug=2``): every task or thread separately, as Go prints goroutines when a program crashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..snapshot.values import LivePicture
from .creation_text import callers_of_line, creation_heading, started_lines
from .name_text import quoted, sanitize_name
from .place_text import age_text, created_by, function_text, position_text, state_text

_SENTENCE_LIMIT = 1000


def full_text(pictures: Iterable[LivePicture], *, note: str = "") -> Iterator[str]:
    """Yield the full text, task by task, in the order of the pictures.

    Args:
        pictures: The tasks or threads; no reference to them is kept.
        note: A remark on the whole text; empty for none.
    """
    if note:
        yield f"# {sanitize_name(note, _SENTENCE_LIMIT)}\n"
        yield "\n"
    for picture in pictures:
        yield from _lines(picture)


def _lines(picture: LivePicture) -> Iterator[str]:
    daemon = ("daemon",) if picture.is_daemon else ()
    state = state_text(picture.wait_reason, picture.stalled_s, picture.verdict, *daemon)
    yield f"{picture.kind} {picture.serial} {quoted(picture.name)} {state}:\n"
    for entry in reversed(picture.stack):
        yield f"{function_text(entry)}\n"
        yield f"\t{position_text(entry)}\n"
    if picture.note:
        yield f"...{sanitize_name(picture.note)}...\n"
    creator = "" if picture.creator is None else f" in task {picture.creator}"
    position = position_text(picture.site)
    yield f"{created_by(picture.site)}{creator}\n"
    if position:
        yield f"\t{position}\n"
    yield from started_lines(picture.site, "# ", "\t")
    if picture.verdict is not None:
        yield from _evidence(picture)
    yield "\n"


def _evidence(picture: LivePicture) -> Iterator[str]:
    """Yield the evidence for a verdict as comments."""
    callers = callers_of_line(picture.site, picture.creation_stack)
    if callers and picture.creation_sampled:
        yield f"# {creation_heading(picture.kind, sampled=True)}:\n"
    for entry in reversed(callers):
        yield f"# called from {function_text(entry)}\t{position_text(entry)}\n"
    reason = f": {sanitize_name(picture.reason, _SENTENCE_LIMIT)}" if picture.reason else ""
    yield f"# {age_text(picture)} old{reason}\n"
    if picture.deadlock:
        cycle = [*picture.deadlock, picture.deadlock[0]]
        yield f"# deadlock: {' awaits '.join(f'task {serial}' for serial in cycle)}\n"
