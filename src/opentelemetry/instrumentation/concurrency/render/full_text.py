"""The full text (``debug=2``): every task or thread by itself, as Go prints goroutines when it dies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..census.snapshot import LivePicture
from ..diagnose.verdict import duration_text
from .place_text import function_text, position_text, state_text
from .shown import quoted, shown

_SENTENCE_LIMIT = 1000


def full_text(pictures: Iterable[LivePicture], *, note: str = "") -> Iterator[str]:
    """Yield the full text, task by task, in the order of the pictures.

    Args:
        pictures: What to show; none is kept.
        note: What a reader has to know of the whole; empty for nothing.
    """
    if note:
        yield f"# {shown(note, _SENTENCE_LIMIT)}\n\n"
    for picture in pictures:
        yield "".join(_lines(picture))


def _lines(picture: LivePicture) -> Iterator[str]:
    daemon = ("daemon",) if picture.is_daemon else ()
    state = state_text(picture.wait_reason, picture.stalled_s, picture.verdict, *daemon)
    yield f"{picture.kind} {picture.serial} {quoted(picture.name)} {state}:\n"
    for entry in reversed(picture.stack):
        yield f"{function_text(entry)}\n\t{position_text(entry)}\n"
    if picture.note:
        yield f"...{shown(picture.note)}...\n"
    creator = "" if picture.creator is None else f" in task {picture.creator}"
    position = position_text(picture.site)
    yield f"created by {function_text(picture.site)}{creator}\n"
    if position:
        yield f"\t{position}\n"
    if picture.verdict is not None:
        yield from _evidence(picture)
    yield "\n"


def _evidence(picture: LivePicture) -> Iterator[str]:
    """Yield what a reader needs to judge a verdict, as comments."""
    for entry in reversed(picture.creation_stack[:-1]):
        yield f"# called from {function_text(entry)}\t{position_text(entry)}\n"
    reason = f": {shown(picture.reason, _SENTENCE_LIMIT)}" if picture.reason else ""
    yield f"# {duration_text(picture.age_s)} old{reason}\n"
    if picture.deadlock:
        circle = [*picture.deadlock, picture.deadlock[0]]
        yield f"# deadlock: {' awaits '.join(f'task {serial}' for serial in circle)}\n"
