"""Orphans among tasks whose creation was not recorded, found with weaker evidence.

``asyncio.Task(...)``, and anyio under an eager task factory, create tasks without any hook, so that their creator is
unknown. Such a task is considered an orphan if nothing waits for it, it is old, and the number of such tasks rises:

- More than ``RESIDENT_LIMIT`` tasks of its site are old and have no owner.
- They exceed the maximum of the site's first window by half, which excludes tasks that remain from the start of the
  process (such as the listeners of Home Assistant's integrations).
- It does not belong to an open connection, in two consecutive scans. aiohttp's server starts the task of each
  connection eagerly, and that task awaits another one per request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ...census.columns import Columns
from ...census.pace import paced
from ...record.long_lived import declared_task
from ...record.site import Site
from ..introspection.connections import belongs_to_connection, serves_connection
from .owners import is_owned
from .residents import ResidentMemory

_LEAST_RISE: Final = 10


class UnrecordedOrphans:
    """Finds orphans among the unrecorded old tasks of every site.

    Args:
        residents: The resident rule, whose limit and window apply here as well.
    """

    def __init__(self, residents: ResidentMemory) -> None:
        self._residents = residents
        self._first_window: dict[Site, tuple[float, int]] = {}
        self._without_owner: dict[Site, frozenset[int]] = {}

    def observe(self, site: Site, live: int, oldest_at: float, now: float) -> None:
        """Note the number of live tasks at a site.

        Args:
            site: The site.
            live: The number.
            oldest_at: Creation time of the oldest (seconds, age clock).
            now: Seconds of the age clock.
        """
        began, peak = self._first_window.get(site, (oldest_at, 0))
        if now - began <= self._residents.window_s or peak == 0:
            self._first_window[site] = (began, max(peak, live))

    def judge(
        self, columns: Columns, site: Site, rows: Sequence[int], pause: Callable[[], None]
    ) -> tuple[list[int], str]:
        """Return the rows that are orphans, and the evidence as a clause.

        Args:
            columns: The columns.
            site: The site.
            rows: Its unrecorded tasks that are older than the age limit.
            pause: Lets the application run.

        Cost: about a microsecond per row, at sites with more rows than before.
        """
        _, peak = self._first_window.get(site, (0.0, 0))
        least = max(self._residents.limit + 1, peak + _LEAST_RISE, 3 * peak // 2)
        before = self._without_owner.pop(site, frozenset())
        if len(rows) < least:
            return [], ""
        left_alone = [row for row in paced(rows, pause) if _is_left_alone(columns, row)]
        self._without_owner[site] = frozenset(columns.serials[row] for row in left_alone)
        found = [row for row in left_alone if columns.serials[row] in before]
        if len(found) < least:
            return [], ""
        return found, (
            f"its creation was not recorded, but nothing waits for it, and {len(found)} such tasks have accumulated at "
            f"this site, which had at most {peak} live tasks at first"
        )


def _is_left_alone(columns: Columns, row: int) -> bool:
    task = columns.references[row]()
    return (
        task is not None
        and not is_owned(task)
        and declared_task(task, columns.creators[row]) is None
        and not belongs_to_connection(task)
        and not serves_connection(task)
    )
