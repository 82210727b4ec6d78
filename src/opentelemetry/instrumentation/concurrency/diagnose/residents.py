"""Which tasks and threads are meant to stay: a leak recurs, a resident does not.

A site is resident while it has no more than ``RESIDENT_LIMIT`` live ones, of which those older than the age limit are
no more than the site's peak in its first ``RESIDENT_WINDOW``. A worker that replaces another after a reconnect keeps
that status; eight shards are eight residents; one leak an hour is none.
"""

from __future__ import annotations

from ..record.site import Site


class ResidentMemory:
    """The peak of every site in its first window.

    Args:
        limit: Live ones above which a site has no residents; 0 = there are none at all.
        window_s: Length of a site's first window, in seconds.
    """

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self._window_s = window_s
        self._first_window: dict[Site, tuple[float, int]] = {}

    def look(self, site: Site, live: int, oldest_at: float, now: float) -> None:
        """Note how many are live at a site.

        Args:
            site: The site.
            live: How many are live there.
            oldest_at: When the oldest of them was created (seconds, age clock).
            now: Seconds of the age clock.
        """
        began, peak = self._first_window.get(site, (oldest_at, 0))
        if now - began <= self._window_s or peak == 0:
            self._first_window[site] = (began, max(peak, live))

    def is_resident_site(self, site: Site, live: int, older_than_age: int) -> bool:
        """Tell whether the old ones at a site are residents.

        Args:
            site: The site.
            live: How many are live there.
            older_than_age: How many of them are older than the age limit.
        """
        _, peak = self._first_window.get(site, (0.0, 0))
        return live <= self.limit and older_than_age <= peak
