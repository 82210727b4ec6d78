"""Folded stacks, one line each with its count: what flame graph tools and speedscope read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from ..census.snapshot import CreationSite, StackEntry
from .shown import shown
from .tally import Tally

_NAME_LIMIT: Final = 200


def folded(tallies: Iterable[Tally], *, by: Literal["wait", "creation"] = "wait") -> Iterator[str]:
    """Yield folded stacks, line by line, in the order of their text.

    Args:
        tallies: What was counted.
        by: ``wait``: where they are suspended, with the wait reason at the tip; ``creation``: where they were created,
            the whole stack where one was sampled.

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
    return [*map(_name, tally.stack), f"[{tally.wait_reason}]"]


def _created(tally: Tally) -> list[str]:
    outer = tally.creation_stack[:-1]
    return [*map(_name, outer), _name(tally.site)]


def _name(entry: StackEntry | CreationSite) -> str:
    # A semicolon separates frames, and no tool knows an escape for it.
    name = shown(entry.function, _NAME_LIMIT).replace(";", ",")
    return f"{name}:{entry.line}" if entry.line else name
