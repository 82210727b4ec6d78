"""Checks per site: too many live tasks, open connections, or all `long_lived`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...census.columns import Columns
from ...record.long_lived import declared_task, declared_thread
from ...record.site import Kind
from ..introspection.connections import belongs_to_connection
from ..introspection.readable import chain_of, may_be_read
from ..introspection.wait_reason import wait_reason
from ..ownership.owners import is_owned

_SAMPLE: Final = 200
"""Number of tasks of a site that are inspected; their share is extrapolated to all."""


def crowded_without_owner(columns: Columns, rows: Sequence[int], limit: int) -> str | None:
    """Return the evidence if more than ``limit`` of the tasks have no owner and do not wait for the network.

    Args:
        columns: The columns.
        rows: The live tasks of a site.
        limit: The setting ``LIVE_LIMIT``.

    Cost: `_SAMPLE` await chains.
    """
    chosen = rows[:: max(1, len(rows) // _SAMPLE)]
    inspected = [task for row in chosen if (task := columns.references[row]()) is not None]
    left_alone = 0
    for task in inspected:
        if may_be_read(task) and not is_owned(task):
            left_alone += not wait_reason(task, chain_of(task)).startswith("io.")
    if not inspected or len(rows) * left_alone / len(inspected) <= limit:
        return None
    share = "all" if left_alone == len(inspected) else f"about {100 * left_alone // len(inspected)} %"
    return (
        f"{len(rows)} are live at once, more than {limit}, and {share} of them have no owner and do not wait for the "
        "network"
    )


def are_of_connections(columns: Columns, rows: Sequence[int]) -> bool:
    """Return whether most of the tasks, by a sample of `_SAMPLE`, belong to open connections.

    Clients connect to a server within minutes of its start and stay connected. Only windows longer than the shortest
    distinguish that from a leak.
    """
    inspected = rows[:: max(1, len(rows) // _SAMPLE)]
    return 2 * sum(belongs_to_connection(columns.references[row]()) for row in inspected) > len(inspected)


def are_declared(columns: Columns, rows: Sequence[int], kind: Kind) -> bool:
    """Return whether the oldest rows, up to `_SAMPLE`, are all declared `long_lived`."""
    oldest = sorted(rows, key=columns.created_at.__getitem__)[:_SAMPLE]
    for row in oldest:
        found = columns.references[row]()
        if found is None:
            continue
        reason = declared_task(found, columns.creators[row]) if kind == "task" else declared_thread(found)
        if reason is None:
            return False
    return True
