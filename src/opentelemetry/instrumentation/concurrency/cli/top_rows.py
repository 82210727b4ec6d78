"""The rows of ``top``: lines of code with their numbers, as one look shows them; no terminal in here."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

from ..render.shown import shown
from .terminal import short_duration

COLUMNS: Final = ("LIVE", "ORPHANS", "CREATED/s", "OLDEST", "KIND", "CREATED BY", "AT")
_KEYS: Final = ("live", "orphans", "created_per_s", "oldest_s", "kind", "function", "path")
_NUMBERS: Final = 4


@dataclass(slots=True)
class Rows:
    """What is shown, and how.

    Attributes:
        column: Index of the column that sorts.
        is_reversed: Least first.
        wanted: Only lines whose function or path contains this.
    """

    column: int = 0
    is_reversed: bool = False
    wanted: str = ""
    _sites: list[dict[str, Any]] = field(default_factory=list)
    _created: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _taken_at: float = 0.0

    def take(self, facts: dict[str, Any], now: float | None = None) -> None:
        """Take a new look: the answer to ``stats``."""
        now = time.monotonic() if now is None else now
        elapsed = now - self._taken_at if self._taken_at else 0.0
        sites = [dict(site) for site in facts.get("sites", ())]
        for site in sites:
            before = self._created.get(key_of(site))
            rate = (site["created"] - before) / elapsed if before is not None and elapsed > 0 else 0.0
            site["created_per_s"] = round(rate, 1)
        self._created = {key_of(site): site["created"] for site in sites}
        self._sites, self._taken_at = sites, now

    def sort_next(self) -> None:
        """Sort by the next column."""
        self.column = (self.column + 1) % len(COLUMNS)

    def shown(self) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
        """Return each site with its cells, in order."""
        wanted = self.wanted.lower()
        chosen = [site for site in self._sites if wanted in f"{site['function']} {site['path']}:{site['line']}".lower()]
        key = _KEYS[self.column]
        # Numbers begin with the most, texts with A.
        descending = (self.column < _NUMBERS) != self.is_reversed
        chosen.sort(key=lambda site: (site[key], site["line"]), reverse=descending)
        return [(site, _cells(site)) for site in chosen]


def key_of(site: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells a site from another."""
    return site["kind"], site["function"], site["path"], site["line"]


def _cells(site: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(site["live"]),
        (str(site["orphans"]) if site["orphans"] else "-") + (" growing" if site.get("suspect") else ""),
        f"{site['created_per_s']:g}",
        short_duration(site["oldest_s"]),
        site["kind"],
        shown(site["function"]),
        shown(f"{site['path']}:{site['line']}", 1000) if site["path"] else "",
    )
