"""Sites as plain values, for `stats`, `top` and `leaks`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from inspect import CO_ASYNC_GENERATOR
from itertools import chain
from typing import Any, Final

from ..census.scan import Tally
from ..live_process import LiveProcess
from ..record.naming import CodeLine
from ..record.recorder import Recorder
from ..record.site import Kind, Site
from ..record.threads import OWN_SITE

LIVE_LIMIT: Final = 200
"""Maximum number of sites with live tasks or threads in an answer."""
ENDED_BADLY_LIMIT: Final = 50
"""Maximum number of sites in an answer with destroyed tasks or unretrieved exceptions."""
GENERATORS_LIMIT: Final = 50
"""Maximum number of functions in an answer whose asynchronous generators were left half way."""
LEAST_GENERATORS: Final = 10
"""Number of generators of one function from which on they are listed; a few are left by any `break`."""
UNAWAITED_LIMIT: Final = 50
"""Maximum number of functions in an answer whose coroutines were never awaited."""
_PACKAGE: Final = f"{OWN_SITE}."

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


def is_ours(site: Site) -> bool:
    """Return whether a site is that of this package's own threads."""
    return site.function == OWN_SITE or site.function.startswith(_PACKAGE) or site.runs.startswith(_PACKAGE)


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


def line_facts(line: CodeLine) -> dict[str, Any]:
    """Return a line of code as plain values."""
    return {"function": line.function, "path": line.path, "line": line.line}


def top_sites(live: LiveProcess) -> list[dict[str, Any]]:
    """Return the sites with most live tasks or threads at the last scan, then those with tasks that ended badly.

    At most `LIVE_LIMIT` and `ENDED_BADLY_LIMIT`; the package's own sites are omitted.

    Cost: about a microsecond per known site.
    """
    counters = _counters(live)
    now = live.census.clock.now()
    largest = sorted((each for each in counters if each.live), key=lambda each: -each.live_count)[:LIVE_LIMIT]
    named = {id(each) for each in largest}
    ended_badly = [each for each in _ended_badly(counters)[:ENDED_BADLY_LIMIT] if id(each) not in named]
    return [_row(live, each, now) for each in (*largest, *ended_badly)]


def sites_ended_badly(live: LiveProcess) -> list[dict[str, Any]]:
    """Return the sites with destroyed tasks or unretrieved exceptions, most first, with their counters."""
    return [{**described(each.site), **_ending(each)} for each in _ended_badly(_counters(live))]


def generators_left(live: LiveProcess) -> list[dict[str, Any]]:
    """Return the functions whose asynchronous generators were left half way, most first, with their number.

    The event loop closes such a generator in a task that no line creates, whose site is the generator function itself.
    """
    found: dict[SiteKey, dict[str, Any]] = {}
    for site in list(live.recorder.task_sites.sites):
        if site.lasti >= 0 or site.code is None or is_ours(site):
            continue
        if site.code.co_flags & CO_ASYNC_GENERATOR:
            entry = found.setdefault(key_of(site), {**described(site), "count": 0})
            entry["count"] += site.created
    many = [entry for entry in found.values() if entry["count"] >= LEAST_GENERATORS]
    return sorted(many, key=lambda entry: -entry["count"])


def never_awaited(live: LiveProcess) -> list[dict[str, Any]]:
    """Return the functions whose coroutines were never awaited, most first, with the line that dropped most of them.

    Empty unless the setting `COUNT_UNAWAITED` is on. Those beyond a limit are summed as ``_OTHER``, the last entry.
    """
    unawaited = live.recorder.unawaited
    if unawaited is None:
        return []
    counts = dict(unawaited.counts)
    found: dict[CodeLine, dict[str, Any]] = {}
    for place, count in sorted(counts.items(), key=lambda item: -item[1]):
        first = {"kind": "task", **line_facts(place.function), "dropped": line_facts(place.dropped), "count": 0}
        found.setdefault(place.function, first)["count"] += count
    most_first = sorted(found.values(), key=lambda entry: -entry["count"])
    others = unawaited.others + sum(entry["count"] for entry in most_first[UNAWAITED_LIMIT:])
    rest = line_facts(CodeLine("_OTHER", "", 0))
    folded = [{"kind": "task", **rest, "dropped": rest, "count": others}] if others else []
    return most_first[:UNAWAITED_LIMIT] + folded


def _ended_badly(counters: Iterable[_Counters]) -> list[_Counters]:
    found = [each for each in counters if each.destroyed or each.unretrieved]
    found.sort(key=lambda each: -(each.destroyed + each.unretrieved))
    return found


def _counters(live: LiveProcess) -> list[_Counters]:
    scan = live.census.last_scan
    tallies = {} if scan is None else {tally.site: tally for tally in chain(scan.tasks, scan.threads)}
    made: dict[SiteKey, _Counters] = {}
    for site in _sites(live.recorder):
        if is_ours(site):
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
