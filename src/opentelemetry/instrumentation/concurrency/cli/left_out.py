"""Texts on entries for which a list or a table has no room: nothing is cut without its number."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from ..render.name_text import sanitize_name
from .fitting import sentence_lines


def left_out_text(facts: Mapping[str, Any], unprinted: Container[str] = ()) -> str:
    """Return what the lists in an agent's answer have no room for; empty if they are complete.

    Args:
        facts: The answer.
        unprinted: Lists that the command does not print.
    """
    found = (facts.get("left_out") or {}).items()
    return ", ".join(f"{count} more {sanitize_name(name)}" for name, count in found if count and name not in unprinted)


def left_out_lines(facts: Mapping[str, Any], width: int, unprinted: Container[str] = ()) -> Iterator[str]:
    """Yield a sentence on what the lists in an agent's answer have no room for.

    Args:
        facts: The answer.
        width: Width of the terminal; 0 for no limit.
        unprinted: Lists that the command does not print.
    """
    more = left_out_text(facts, unprinted)
    if more:
        yield from sentence_lines(f"Not shown: {more}.", width)


def more_rows(count: int, noun: str) -> Iterator[str]:
    """Yield a line on how many rows ``--top`` leaves out.

    Args:
        count: Their number; nothing is yielded below 1.
        noun: What a row shows, in the plural.
    """
    if count > 0:
        yield f"{count} more {noun if count > 1 else noun[:-1]}; --top shows more.\n"


def some_of(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many follow."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
