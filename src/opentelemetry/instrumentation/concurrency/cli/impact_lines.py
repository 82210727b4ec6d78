"""Lines about what a leak costs, from the facts of an agent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..render.name_text import sanitize_name
from ..snapshot.values import CreationSite
from .site_cells import site_of

_LIMIT: Final = 1000
_HEADINGS: Final = (("held_by", "held by"), ("waits_on", "waits on"), ("advice", "advice"))


class Impacts:
    """The impact of leaks, by site and verdict.

    Args:
        facts: The impacts as an agent describes them.
    """

    def __init__(self, facts: Iterable[dict[str, Any]]) -> None:
        self._found = {(site_of(each), each["verdict"]): each for each in facts}

    def bytes_of(self, site: CreationSite, verdict: str | None) -> int:
        """Return the memory that only a leak holds, in bytes; -1 if it is not known."""
        size = self._found.get((site, verdict or ""), {}).get("memory")
        return -1 if size is None else int(size)

    def lines_of(self, site: CreationSite, verdict: str | None) -> list[str]:
        """Return the lines of a leak."""
        found = self._found.get((site, verdict or ""), {})
        lines = [f"  started by: {sanitize_name(found['span'], _LIMIT)}\n"] if found.get("span") else []
        if found.get("memory_text"):
            note = f" ({sanitize_name(found['memory_note'], _LIMIT)})" if found.get("memory_note") else ""
            lines.append(f"  memory that only this leak holds: {sanitize_name(found['memory_text'])}{note}\n")
        lines += [
            f"  {heading}: {sanitize_name(found[name], _LIMIT)}\n" for name, heading in _HEADINGS if found.get(name)
        ]
        return lines
