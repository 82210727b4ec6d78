"""Lines about how fast a leak grows, from the facts of an agent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..byte_sizes import size_text
from ..durations import duration_text
from ..snapshot.values import CreationSite, LivePicture
from .impact_lines import Impacts
from .site_cells import site_of


class Rates:
    """The rates of leaks by site.

    Args:
        facts: The rates as an agent describes them.
        impacts: The memory of the leaks.
    """

    def __init__(self, facts: Iterable[dict[str, Any]], impacts: Impacts) -> None:
        self._found = {(each["kind"], site_of(each)): each for each in facts}
        self._impacts = impacts

    def lines_of(self, oldest: LivePicture, groups: Sequence[Sequence[LivePicture]]) -> list[str]:
        """Return the line of a group of leaked tasks or threads; none for further groups of the same site.

        Args:
            oldest: The first of the group.
            groups: All groups.
        """
        alike = [group for group in groups if (group[0].kind, group[0].site) == (oldest.kind, oldest.site)]
        if alike[0][0] is not oldest:
            return []
        count = sum(len(group) for group in alike if group[0].verdict == oldest.verdict)
        return self._lines(oldest.kind, oldest.site, count, self._impacts.bytes_of(oldest.site, oldest.verdict))

    def lines_of_growing(self, facts: dict[str, Any]) -> list[str]:
        """Return the line of a growing site, as an agent describes it."""
        site = site_of(facts)
        return self._lines(facts["kind"], site, facts["count"], self._impacts.bytes_of(site, "growing"))

    def _lines(self, kind: str, site: CreationSite, count: int, memory: int) -> list[str]:
        found = self._found.get((kind, site))
        if found is None:
            return []
        over = f" (over the last {duration_text(found['over_s'])})"
        if not found["per_hour"]:
            return [f"  it does not grow{over}\n"]
        size = f", {size_text(round(found['per_hour'] * memory / count))} per hour" if memory > 0 and count else ""
        return [f"  it grows by {rate_text(found['per_hour'])} {kind}s per hour{size}{over}\n"]


def rate_text(per_hour: float) -> str:
    """Return a rate with as many digits as mean something."""
    return f"{per_hour:.1f}" if per_hour < 10 else f"{per_hour:.0f}"
