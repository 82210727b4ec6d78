"""Sites as plain values, for `stats`, `top` and `leaks`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, NamedTuple

from ..census.scan import Tally
from ..live_process import LiveProcess
from ..record.recorder import Recorder
from ..record.site import Kind, Site
from ..record.threads import is_own_site
from ..snapshot.functions import line_facts
from .answer_shapes import ENDED_BADLY, LIVING

LIVE_LIMIT: Final = 200
"""Maximum number of sites with live tasks or threads in an answer."""
ENDED_BADLY_LIMIT: Final = 50
"""Maximum number of sites in an answer with destroyed tasks or unretrieved exceptions."""

SiteKey = tuple[Kind, str, str, int, str]


@dataclass(slots=True)
class _Counters:
    """The summed counters of all sites with equal line and function.

    Attributes:
        site: One of the sites.
        created: Number of tasks or threads created.
        destroyed: Number of tasks garbage-collected while pending.
        unretrieved: Number of tasks with an exception that was never retrieved.
        live: The live tasks or threads of each site at the last scan.
    """

    site: Site
    created: int = 0
    destroyed: int = 0
    unretrieved: int = 0
    live: list[Tally] = field(default_factory=list)

    @property
    def live_count(self) -> int:
        """Number of live tasks or threads."""
        return sum(tally.live for tally in self.live)


class TopSites(NamedTuple):
    """The sites that an answer has room for, and the numbers of the others, by the name of their kind."""

    rows: list[dict[str, Any]]
    left_out: dict[str, int]


def key_of(site: Site) -> SiteKey:
    """Return the visible properties of a site: sites with equal keys are shown as one."""
    return site.kind, site.function, site.path, site.line, site.runs


def described(site: Site) -> dict[str, Any]:
    """Return the creating line of a site, the function that it runs, and its spawners."""
    return {
        "kind": site.kind,
        "function": site.function,
        "path": site.path,
        "line": site.line,
        "runs": site.runs,
        "via": [line_facts(line) for line in site.via],
    }


def top_sites(live: LiveProcess) -> TopSites:
    """Return the sites with most live tasks or threads at the last scan, then those with tasks that ended badly.

    The package's own sites are omitted.

    Cost: about a microsecond per known site.
    """
    counters = _counters(live)
    now = live.census.clock.now()
    living = sorted((each for each in counters if each.live), key=lambda each: -each.live_count)
    named = {id(each) for each in living[:LIVE_LIMIT]}
    failing = [(place, each) for place, each in enumerate(_ended_badly(counters)) if id(each) not in named]
    ended_badly = [each for place, each in failing if place < ENDED_BADLY_LIMIT]
    left_out = {
        LIVING: max(0, len(living) - LIVE_LIMIT),
        ENDED_BADLY: len(failing) - len(ended_badly),
    }
    return TopSites([_row(live, each, now) for each in (*living[:LIVE_LIMIT], *ended_badly)], left_out)


def sites_ended_badly(live: LiveProcess) -> list[dict[str, Any]]:
    """Return the sites with destroyed tasks or unretrieved exceptions, most first, with their counters."""
    return [{**described(each.site), **_ending(each)} for each in _ended_badly(_counters(live))]


def _ended_badly(counters: Iterable[_Counters]) -> list[_Counters]:
    found = [each for each in counters if each.destroyed or each.unretrieved]
    found.sort(key=lambda each: -(each.destroyed + each.unretrieved))
    return found


def _counters(live: LiveProcess) -> list[_Counters]:
    scan = live.census.last_scan
    tallies = {} if scan is None else {tally.site: tally for tally in chain(scan.tasks, scan.threads)}
    made: dict[SiteKey, _Counters] = {}
    for site in _sites(live.recorder):
        if is_own_site(site):
            continue
        key = key_of(site)
        counters = made.get(key)
        if counters is None:
            counters = made[key] = _Counters(site)
        counters.created += site.created
        counters.destroyed += site.destroyed
        counters.unretrieved += site.unretrieved
        if site in tallies:
            counters.live.append(tallies[site])
    return list(made.values())


def _sites(recorder: Recorder) -> list[Site]:
    # Copied in one C call, because hooks add sites concurrently.
    return [*recorder.task_sites.sites, *recorder.thread_sites.sites]


def _row(live: LiveProcess, counters: _Counters, now: float) -> dict[str, Any]:
    diagnosed = live.diagnosed
    verdicts = [found for tally in counters.live if (found := diagnosed.orphans.get(tally.site)) is not None]
    return {
        **described(counters.site),
        "live": counters.live_count,
        "oldest_s": round(max((max(0.0, now - tally.oldest_at) for tally in counters.live), default=0.0), 1),
        "orphans": sum(found.orphaned + found.unwakeable for found in verdicts),
        "unwakeable": sum(found.unwakeable for found in verdicts),
        "before_attach": live.census.before_attach.are_at(counters.site.kind, [tally.site for tally in counters.live]),
        "leaked_per_hour": _leaked_per_hour(live, counters),
        "suspect": any(tally.site in diagnosed.suspects for tally in counters.live),
        "memory": _memory(live, counters),
        "impact": _impact(live, counters),
        **_ending(counters),
    }


def _leaked_per_hour(live: LiveProcess, counters: _Counters) -> float | None:
    """Return by how many per hour the leaks of a site grow; None if that is not known."""
    found = [rate.per_hour for tally in counters.live if (rate := live.diagnosed.rates.get(tally.site)) is not None]
    return round(sum(found), 1) if found else None


def _memory(live: LiveProcess, counters: _Counters) -> int | None:
    """Return the memory that only leaked tasks of a site hold, in bytes; None if it was not measured."""
    sites = {id(tally.site) for tally in counters.live}
    found = [size for (site, _), size in list(live.diagnosed.memory.items()) if id(site) in sites]
    return sum(found) if found else None


def _impact(live: LiveProcess, counters: _Counters) -> dict[str, str]:
    """Return the texts on the leak of a site, by heading; of several groups, those of the first."""
    sites = {id(tally.site) for tally in counters.live}
    found = (group.impact.texts for group in live.diagnosed.groups if id(group.site) in sites)
    return next((texts for texts in found if texts), {})


def _ending(counters: _Counters) -> dict[str, int]:
    return {
        "created": counters.created,
        "destroyed": counters.destroyed,
        "unretrieved": counters.unretrieved,
    }
