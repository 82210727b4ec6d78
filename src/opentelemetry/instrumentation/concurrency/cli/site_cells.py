"""Sites in tables: conversion from an agent's facts, and the columns that identify a site.

The file and line are the first of these columns and stay visible however narrow the terminal is.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from ..byte_sizes import size_text
from ..record.naming import CodeLine
from ..record.site import BEFORE_ATTACH
from ..snapshot.values import CreationSite
from .tables import Column

SITE_COLUMNS: Final = (
    Column("SITE", cut="path"),
    Column("CREATED BY", rank=2, cut="name"),
    Column("RUNS", rank=6, cut="name"),
    Column("THROUGH", rank=9, cut="name"),
)


def site_cells(site: CreationSite) -> tuple[str, str, str, str]:
    """Return the creating line, its function, the function that runs, and the spawners.

    The function stands for the line of a site without a file.
    """
    spawners = ", ".join(map(_with_line, site.via))
    if not site.path:
        return _function(site), "", site.runs, spawners
    return f"{site.path}:{site.line}", site.function, site.runs, spawners


def memory_cell(facts: dict[str, Any]) -> str:
    """Return the memory that only leaked tasks of a site hold; ``-`` if it was not measured."""
    size = facts.get("memory")
    return "-" if size is None else size_text(size)


def site_of(facts: dict[str, Any]) -> CreationSite:
    """Return the site that an agent describes; agents of earlier versions give only its line."""
    via = tuple(CodeLine(line["function"], line["path"], line["line"]) for line in facts.get("via", ()))
    return CreationSite(facts["function"], facts["path"], facts["line"], facts.get("runs", ""), via)


def site_key(facts: dict[str, Any]) -> tuple[Literal["task", "thread"], CreationSite]:
    """Return a key that identifies a described site."""
    return facts["kind"], site_of(facts)


def _function(site: CreationSite) -> str:
    return "before attach" if site.function == BEFORE_ATTACH else site.function


def _with_line(place: CodeLine) -> str:
    return f"{place.function}:{place.line}" if place.line else place.function
