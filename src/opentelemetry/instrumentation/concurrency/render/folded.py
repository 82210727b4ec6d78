"""Folded stacks, one line each with its count, for flame graph tools and speedscope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from ..record.naming import CodeLine
from ..snapshot.tally import Tally
from .creation_text import creation_frames
from .name_text import sanitize_name

_NAME_LIMIT: Final = 200


def folded(tallies: Iterable[Tally], *, by: Literal["wait", "creation"] = "wait") -> Iterator[str]:
    """Yield folded stacks, line by line, in the order of their text.

    Args:
        tallies: The counts.
        by: ``wait`` folds the stacks where they are suspended, with the wait reason at the tip; ``creation`` folds the
            creation stacks, complete if recorded, with the function that runs at the tip.

    Raises:
        ValueError: If ``by`` is neither.
    """
    if by not in ("wait", "creation"):
        message = f"Unknown stacks to fold {by!r}: expected 'wait' or 'creation'."
        raise ValueError(message)
    counts: dict[str, int] = {}
    for tally in tallies:
        names = _waiting(tally) if by == "wait" else _created(tally)
        line = ";".join(names)
        counts[line] = counts.get(line, 0) + tally.count
    for line in sorted(counts):
        yield f"{line} {counts[line]}\n"


def _waiting(tally: Tally) -> list[str]:
    return [*map(_name, tally.stack), f"[{_without_separator(tally.wait_reason)}]"]


def of_other_creations(tallies: Iterable[Tally]) -> int:
    """Return the number of tasks and threads that are folded with the creation stack of another one of their site."""
    return sum(tally.count for tally in tallies if tally.creation_sampled)


def _created(tally: Tally) -> list[str]:
    site = tally.site
    names = [_name(entry) for entry in creation_frames(site, tally.creation_stack)]
    return [*names, _name(CodeLine(site.runs, "", 0))] if site.runs else names


def _name(entry: CodeLine) -> str:
    name = _without_separator(entry.function)
    return f"{name}:{entry.line}" if entry.line else name


def _without_separator(text: str) -> str:
    # A semicolon separates frames; tools support no escape for it.
    return sanitize_name(text, _NAME_LIMIT).replace(";", ",")
