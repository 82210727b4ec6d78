"""What one scan found: a count for each site, and when it was."""

from __future__ import annotations

from dataclasses import dataclass

from ..record.site import Site


@dataclass(frozen=True, slots=True)
class Tally:
    """What one scan counted at one site.

    Attributes:
        site: The site.
        live: How many are live.
        oldest_at: When the oldest of them was created, in seconds of the age clock.
        older: How many of them are older than each of the ages that the diagnosis asked for.
        daemons: How many of them are daemon threads.
    """

    site: Site
    live: int
    oldest_at: float
    older: tuple[int, ...] = ()
    daemons: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """The result of one scan.

    Attributes:
        number: 1 for the first scan of this process.
        at: When it ended, in seconds of the age clock.
        after_gap: Whether the process could not run before it; such a scan gives no verdicts.
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
