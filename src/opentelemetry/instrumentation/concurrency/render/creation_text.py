"""Creations in the text forms: the function that runs, the spawners, the creation stack and its origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ..record.naming import CodeLine
from ..snapshot.values import CreationSite
from .name_text import sanitize_name
from .place_text import function_text, position_text


def started_lines(site: CreationSite, prefix: str, separator: str) -> Iterator[str]:
    """Yield one line for the function that a site runs and one per spawner, if they are known.

    Args:
        site: The creation site.
        prefix: Prefix of each line.
        separator: Separator between a function and its position.
    """
    if site.runs:
        yield f"{prefix}runs {sanitize_name(site.runs)}\n"
    for spawner in site.via:
        yield f"{prefix}through {function_text(spawner)}{separator}{position_text(spawner)}".rstrip() + "\n"


def creation_heading(kind: Literal["task", "thread"], *, sampled: bool) -> str:
    """Return the heading of a creation stack.

    Args:
        kind: The kind of the created object.
        sampled: Whether the stack belongs to another task or thread of the same site.
    """
    return f"stack of another {kind} created at this line" if sampled else "creation stack"


def callers_of_line(site: CreationSite, creation_stack: tuple[CodeLine, ...]) -> tuple[CodeLine, ...]:
    """Return the callers of the creating line in a creation stack, innermost last.

    The stack begins at the spawner's line. If the stack was cut and does not contain the creating line, all frames but
    the innermost are callers.
    """
    for at in range(len(creation_stack) - 1, -1, -1):
        entry = creation_stack[at]
        if (entry.function, entry.path, entry.line) == (site.function, site.path, site.line):
            return creation_stack[:at]
    return creation_stack[:-1]


def creation_frames(site: CreationSite, creation_stack: tuple[CodeLine, ...]) -> tuple[CodeLine, ...]:
    """Return the recorded creation stack, innermost last, or else the creating line and its spawners."""
    return creation_stack or (CodeLine(site.function, site.path, site.line), *reversed(site.via))
