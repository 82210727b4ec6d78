"""The result of one scan: its time and the counts per site."""

from __future__ import annotations

from dataclasses import dataclass

from ..record.site import Site


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one scan at one site.

    Attributes:
        site: The site.
        live: Number of live tasks or threads.
        oldest_at: Creation time of the oldest, in seconds of the age clock.
        older: Number of those older than each of the ages that the diagnosis requested.
        daemons: Number of daemon threads among them.
    """

    site: Site
    live: int
    oldest_at: float
    older: tuple[int, ...] = ()
    daemons: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of one scan.

    Attributes:
        number: 1 for the first scan of this process.
        at: Time of its end, in seconds of the age clock.
        after_gap: Whether the process could not run before the scan; such a scan gives no verdicts.
        tasks: One tally per site with live tasks.
        threads: One tally per site with live threads.
        final: Whether the process or its loop is about to end.
    """

    number: int
    at: float
    after_gap: bool
    tasks: tuple[Tally, ...]
    threads: tuple[Tally, ...]
    final: bool = False
