"""The rows of ``top``: sites with their numbers, independent of a terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

from ..durations import short_duration
from ..render.name_text import sanitize_name
from .fitting import fit_path
from .site_cells import memory_cell, site_cells, site_key, site_of

COLUMNS: Final = (
    "LIVE",
    "ORPHANS",
    "CREATED/s",
    "OLDEST",
    "SITE",
    "CREATED BY",
    "MEMORY",
    "KIND",
    "RUNS",
    "THROUGH",
    "DESTROYED",
    "UNRETRIEVED",
)
_KEYS: Final = (
    "live",
    "orphans",
    "created_per_s",
    "oldest_s",
    "path",
    "function",
    "memory",
    "kind",
    "runs",
    "through",
    "destroyed",
    "unretrieved",
)
_SITE_WIDTH: Final = 36
_TEXTS: Final = frozenset({"kind", "function", "runs", "path", "through"})
_UNKNOWN: Final = {"runs": "", "destroyed": 0, "unretrieved": 0, "memory": None}
"""Defaults for facts that agents of earlier versions do not send."""


@dataclass(slots=True)
class Rows:
    """The sites to show, with order and filter.

    Attributes:
        column: Index of the column to sort by; at first the leaks.
        is_reversed: Whether the order is reversed.
        wanted: Show only sites whose creating function, file, line or running function contains this text.
    """

    column: int = 1
    is_reversed: bool = False
    wanted: str = ""
    _sites: list[dict[str, Any]] = field(default_factory=list)
    _created: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _taken_at: float = 0.0

    def take(self, facts: dict[str, Any], now: float | None = None) -> None:
        """Replace the sites by those of a new answer to ``stats``."""
        now = time.monotonic() if now is None else now
        elapsed = now - self._taken_at if self._taken_at else 0.0
        sites = [{**_UNKNOWN, **site} for site in facts.get("sites", ())]
        for site in sites:
            site["through"] = [line["function"] for line in site.get("via", ())]
        for site in sites:
            before = self._created.get(site_key(site))
            rate = (site["created"] - before) / elapsed if before is not None and elapsed > 0 else 0.0
            site["created_per_s"] = round(rate, 1)
        self._created = {site_key(site): site["created"] for site in sites}
        self._sites, self._taken_at = sites, now

    def sort_next(self) -> None:
        """Sort by the next column."""
        self.column = (self.column + 1) % len(COLUMNS)

    def shown(self) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
        """Return each site with its cells, in order."""
        wanted = self.wanted.lower()
        chosen = [site for site in self._sites if wanted in _searched(site).lower()]
        key = _KEYS[self.column]
        # Numbers sort in descending order, texts in ascending order.
        descending = (key not in _TEXTS) != self.is_reversed
        # Among equals, sites with leaks come first, then those with most live tasks or threads.
        chosen.sort(key=lambda site: (-site["orphans"], not site.get("suspect"), -site["live"], site["line"]))
        chosen.sort(key=lambda site: -1 if site[key] is None else site[key], reverse=descending)
        return [(site, _cells(site)) for site in chosen]


def _searched(site: dict[str, Any]) -> str:
    return f"{site['function']} {site['path']}:{site['line']} {site['runs']}"


def _cells(site: dict[str, Any]) -> tuple[str, ...]:
    at, created_by, runs, through = site_cells(site_of(site))
    return (
        str(site["live"]),
        (str(site["orphans"]) if site["orphans"] else "-") + (" growing" if site.get("suspect") else ""),
        f"{site['created_per_s']:g}",
        short_duration(site["oldest_s"]) + ("+" if site.get("before_attach") else ""),
        fit_path(sanitize_name(at, 1000), _SITE_WIDTH),
        sanitize_name(created_by),
        memory_cell(site),
        site["kind"],
        sanitize_name(runs),
        sanitize_name(through, 1000),
        str(site["destroyed"] or "-"),
        str(site["unretrieved"] or "-"),
    )
