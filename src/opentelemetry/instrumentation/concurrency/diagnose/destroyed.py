"""Tasks that were garbage-collected while pending: one sight of each site's latest, kept until it is reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..record.site import Site
from .group import Group
from .verdict import Sight, look_at

_EVIDENCE: Final = (
    "nothing held them but each other and what they waited for; keep a reference to a task, as the asyncio "
    "documentation advises"
)


class DestroyedBook:
    """Remembers what destroyed tasks were doing, one a site and scan, and what was reported of them."""

    def __init__(self) -> None:
        self._sights: dict[Site, Sight] = {}
        self._reported: dict[Site, int] = {}
        self._since: dict[Site, float] = {}

    def note(self, site: Site, task: Any) -> None:
        """Look at a task that is being destroyed; called by the hook in the thread that collects it.

        Cost: one await chain for the first of a site since the last report, nothing for the others.
        """
        if site not in self._sights:
            self._sights[site] = look_at("task", task, is_dying=True)

    def groups(self, now: float) -> Iterator[Group]:
        """Yield a group for each site where tasks were destroyed since the last report of it."""
        for site, sight in list(self._sights.items()):
            new = site.destroyed - self._reported.get(site, 0)
            if new > 0:
                yield Group(
                    site,
                    "destroyed",
                    site.destroyed,
                    _EVIDENCE,
                    self._since.setdefault(site, now),
                    last_sight=sight,
                    on_report=self._acknowledge(site, site.destroyed),
                )

    def _acknowledge(self, site: Site, count: int) -> Any:
        def acknowledge() -> None:
            self._reported[site] = count
            self._sights.pop(site, None)

        return acknowledge
