"""What a site holds as a whole: more live tasks than anybody has on purpose, or such as somebody declared."""

from __future__ import annotations

from typing import Final

from ..census.census import Census
from ..census.columns import Columns
from ..census.look import Tally
from ..record.long_lived import declared_task, declared_thread
from ..record.site import Kind, Site
from .await_chain import walk_await_chain
from .connections import belongs_to_connection
from .known_waits import coroutine_of
from .ownership import is_owned
from .wait_reason import wait_reason

_SAMPLE: Final = 200
"""Tasks of a site that are looked at; the share among them stands for the whole."""


def crowded_without_owner(columns: Columns, tally: Tally, limit: int) -> str | None:
    """Return the evidence, as a clause for people, if a site holds more than ``limit`` tasks of that sort, else None.

    Args:
        columns: Where the rows are.
        tally: The site and how many are live there.
        limit: The setting ``LIVE_LIMIT``.

    Cost: one search for the site's rows, and `_SAMPLE` await chains.
    """
    rows = [row for row in range(len(columns)) if columns.sites[row] == tally.site.number]
    chosen = rows[:: max(1, len(rows) // _SAMPLE)]
    looked_at = [task for row in chosen if (task := columns.references[row]()) is not None]
    left_alone = 0
    for task in looked_at:
        chain = walk_await_chain(coroutine_of(task))
        left_alone += not is_owned(task) and not wait_reason(task, chain).startswith("io.")
    if not looked_at or tally.live * left_alone / len(looked_at) <= limit:
        return None
    share = "all" if left_alone == len(looked_at) else f"about {100 * left_alone // len(looked_at)} %"
    return (
        f"{tally.live} are live at once, more than {limit}, and {share} of them have nobody who waits for them "
        "and do not wait for the network"
    )


def are_of_connections(census: Census, site: Site) -> bool:
    """Tell whether most tasks of a site, of `_SAMPLE`, belong to open connections.

    Clients fill a server within minutes of its start, and stay: only windows longer than the shortest tell that from a
    leak.
    """
    if site.kind != "task":
        return False
    columns = census.tasks
    rows = [row for row in range(len(columns)) if columns.sites[row] == site.number]
    looked_at = rows[:: max(1, len(rows) // _SAMPLE)]
    return 2 * sum(belongs_to_connection(columns.references[row]()) for row in looked_at) > len(looked_at)


def are_declared(columns: Columns, rows: list[int], kind: Kind) -> bool:
    """Tell whether the oldest of some rows, up to `_SAMPLE`, were all declared `long_lived`."""
    oldest = sorted(rows, key=columns.created_at.__getitem__)[:_SAMPLE]
    for row in oldest:
        found = columns.references[row]()
        if found is None:
            continue
        reason = declared_task(found, columns.creators[row]) if kind == "task" else declared_thread(found)
        if reason is None:
            return False
    return True
