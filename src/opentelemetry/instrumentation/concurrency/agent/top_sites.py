"""The sites with the most live tasks and threads, as the last scan counted them: nothing is walked."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

from ..record.site import Site
from .target import Target

LIMIT: Final = 200
_PACKAGE: Final = "opentelemetry.instrumentation.concurrency."


def is_ours(site: Site) -> bool:
    """Tell whether a site is where this package starts its own threads."""
    return site.function.startswith(_PACKAGE)


def top_sites(target: Target) -> list[dict[str, Any]]:
    """Return the sites of the last scan but our own as plain values, most live first, at most `LIMIT`."""
    look, diagnosed = target.census.last_look, target.diagnosed
    if look is None:
        return []
    counted = (tally for tally in chain(look.tasks, look.threads) if not is_ours(tally.site))
    tallies = sorted(counted, key=lambda tally: -tally.live)[:LIMIT]
    now = target.census.clock.now()
    made = []
    for tally in tallies:
        site, verdicts = tally.site, diagnosed.orphans.get(tally.site)
        made.append(
            {
                "kind": site.kind,
                "function": site.function,
                "path": site.path,
                "line": site.line,
                "live": tally.live,
                "oldest_s": round(max(0.0, now - tally.oldest_at), 1),
                "orphans": verdicts.orphaned + verdicts.unwakeable if verdicts is not None else 0,
                "unwakeable": verdicts.unwakeable if verdicts is not None else 0,
                "suspect": site in diagnosed.suspects,
                "created": site.created,
            }
        )
    return made
