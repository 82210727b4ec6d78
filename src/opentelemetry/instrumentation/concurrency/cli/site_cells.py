"""Sites in tables: conversion from an agent's facts, and the columns that identify a site.

The creating line is the first of these columns, so that it fits on a terminal of 80 columns.
"""

from __future__ import annotations

from typing import Any, Final

from ..byte_sizes import size_text
from ..record.site import BEFORE_ATTACH
from ..snapshot.values import CreationSite, StackEntry

SITE_HEADINGS: Final = ("CREATED BY<", "RUNS", "THROUGH", "AT")


def site_cells(site: CreationSite) -> tuple[str, str, str, str]:
    """Return creating function and line, the function that runs, the spawners, and the file."""
    at = f"{site.path}:{site.line}" if site.path else ""
    return _with_line(site), site.runs, ", ".join(map(_with_line, site.via)), at


def memory_cell(facts: dict[str, Any]) -> str:
    """Return the memory that only leaked tasks of a site hold; ``-`` if it was not measured."""
    size = facts.get("memory")
    return "-" if size is None else size_text(size)


def site_of(facts: dict[str, Any]) -> CreationSite:
    """Return the site that an agent describes; agents of earlier versions give only its line."""
    via = tuple(StackEntry(line["function"], line["path"], line["line"]) for line in facts.get("via", ()))
    return CreationSite(facts["function"], facts["path"], facts["line"], facts.get("runs", ""), via)


def site_key(facts: dict[str, Any]) -> tuple[str, CreationSite]:
    """Return a key that identifies a described site."""
    return facts["kind"], site_of(facts)


def _with_line(place: CreationSite | StackEntry) -> str:
    if place.function == BEFORE_ATTACH:
        return "before attach"
    return f"{place.function}:{place.line}" if place.line else place.function
