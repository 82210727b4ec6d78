"""Tasks and threads that were created before ``attach``, whose creating line was not recorded.

They have one site per function that they run, named `BEFORE_ATTACH`. Once exactly one line has started that function
since, they move to the site of this line, so that one bug is one site; they move back if a second line starts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..record.site import Kind, Site
from ..record.site_table import SiteTable
from .columns import Columns

_SCANS: Final = 2
"""Scans until all of them are known: an unrecorded task must be seen twice."""


class BeforeAttach:
    """The tasks and threads of a process that existed when ``attach`` instrumented it.

    The census holds its lock around every use.
    """

    def __init__(self) -> None:
        self._scans_left = 0
        self._attached_at = 0.0
        self._sites: dict[Kind, dict[int, Site]] = {"task": {}, "thread": {}}
        self._line_of: dict[Kind, dict[int, int]] = {"task": {}, "thread": {}}

    def begin(self, now: float) -> None:
        """Enter what the next scans find unrecorded as created before ``now``, in seconds of the age clock."""
        self._scans_left = _SCANS
        self._attached_at = now

    @property
    def is_open(self) -> bool:
        """Whether unrecorded tasks and threads that are entered now were created before ``attach``."""
        return self._scans_left > 0

    def end_scan(self) -> None:
        """Note that a scan has ended."""
        self._scans_left = max(0, self._scans_left - 1)

    def note(self, columns: Columns, site: Site) -> None:
        """Mark the newest row as created before ``attach``; its age counts from there."""
        columns.before_attach[-1] = 1
        columns.created_at[-1] = self._attached_at
        self._sites[site.kind][site.number] = site

    def are_at(self, kind: Kind, sites: Iterable[Site]) -> bool:
        """Return whether one of these sites may have tasks or threads that were created before ``attach``."""
        marked = {*self._sites[kind], *self._line_of[kind].values()}
        return any(site.number in marked for site in sites)

    def settle(self, columns: Columns, table: SiteTable) -> None:
        """Move the marked rows to the sites of the lines that start the same function, or back.

        Cost: one lookup per function that runs, and one pass over the marked rows if an answer has changed.
        """
        line_of: dict[int, int] = {}
        for number, site in self._sites[table.kind].items():
            lines = [line for line in table.sites_that_start(site.code) if line.runs == site.runs]
            # One line may stand for two functions of the same name; the second then keeps its own site.
            if len(lines) == 1 and lines[0] is not table.other and lines[0].number not in line_of.values():
                line_of[number] = lines[0].number
        if line_of == self._line_of[table.kind]:
            return
        home_of = {line: number for number, line in self._line_of[table.kind].items()}
        row = columns.before_attach.find(1)
        while row >= 0:
            home = home_of.get(columns.sites[row], columns.sites[row])
            columns.sites[row] = line_of.get(home, home)
            row = columns.before_attach.find(1, row + 1)
        self._line_of[table.kind] = line_of
