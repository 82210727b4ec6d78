"""``leaks``: runs the diagnosis and the proof over every suspended task now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, NamedTuple

from ..diagnose.introspection.fingerprint import NamedFrame
from ..diagnose.stale_spans import StaleSpan
from ..diagnose.verdict.finding import Finding, span_name_of
from ..diagnose.verdict.group import Group
from ..diagnose.verdict.impact import NO_IMPACT, NOT_MEASURED
from ..live_process import LiveProcess
from ..record.interpreter import FREE_THREADED_BUILD
from ..record.site import Kind
from ..snapshot.as_json import SnapshotWriter
from ..snapshot.functions import Functions, generators_left, line_facts, never_awaited
from .answer_shapes import ENDED_BADLY, GENERATORS
from .protocol import Reply
from .site_facts import (
    ENDED_BADLY_LIMIT,
    SiteKey,
    described,
    key_of,
    sites_ended_badly,
)
from .target import Target

_KINDS: Final[tuple[Kind, ...]] = ("task", "thread")
_MOST_GROWING: Final = 100


class _Described(NamedTuple):
    """Descriptions of groups, and the number of those beyond the limit."""

    shown: list[dict[str, Any]]
    left_out: int


def answer_leaks(target: Target, reply: Reply, pause: Callable[[], None]) -> None:
    """Write a snapshot of the tasks and threads with a verdict.

    The facts contain the number of tasks that the proof examined, growing sites, sites with destroyed tasks or
    unretrieved exceptions, and event loops that do not answer. Each list has a limit; ``left_out`` counts the rest.

    The scan after the proof is a regular one, with reports, so that every other view shows the proven tasks. The census
    is not locked during the proof.

    Cost: one scan, about 200 µs per task for the proof, 15 µs per task for the picture.
    """
    live = target.live
    census = live.census
    proven = live.prove(pause)
    scan = census.scan()
    writer = SnapshotWriter()
    with census.locked():
        for kind in _KINDS:
            for picture in live.pictures(kind, pause):
                reason = proven.reason_with(picture.verdict, picture.serial, picture.reason) if kind == "task" else None
                if reason is not None:
                    writer.add(replace(picture, verdict="unwakeable", reason=reason))
                elif picture.verdict is not None:
                    writer.add(picture)
        kept, stale = live.finished_tasks(pause), live.stale_spans(pause)
        growing = _growing(live, live.diagnosed.groups)
        young_groups = live.diagnosis.young_threads(census, scan)
        live.measure_impact(pause, young_groups)
        young = _young(live, young_groups, target.settings.resident_limit)
    generators, ended_badly = generators_left(live.recorder), sites_ended_badly(live)
    reply.facts.update(
        examined=proven.examined,
        threads=live.counts().threads,
        undecided=proven.undecided,
        growing=growing.shown,
        young_threads=young.shown,
        impacts=[
            *(_impact(group, group.verdict) for group in live.diagnosed.groups if _has_impact(group)),
            *(_impact(group, "young") for group in young_groups if _has_impact(group)),
        ],
        rates=_rates(live),
        stale_spans=[_stale(each) for each in stale[:_MOST_GROWING]],
        generators_left=generators.shown,
        never_awaited=never_awaited(live.recorder),
        finished_kept=[asdict(each) for each in kept[:_MOST_GROWING]],
        memory_note=NOT_MEASURED if FREE_THREADED_BUILD else "",
        ended_badly=ended_badly[:ENDED_BADLY_LIMIT],
        left_out=_left_out(growing, young, ended_badly, kept, stale, generators),
        silent_loops=[each.as_facts() for each in target.silent_loops(may_ask=True)],
    )
    writer.write(reply)


def _left_out(
    growing: _Described,
    young: _Described,
    ended_badly: Sequence[Any],
    kept: Sequence[Any],
    stale: Sequence[Any],
    generators: Functions,
) -> dict[str, int]:
    """Return how many entries of each list have no room in the answer, by what they are."""
    return {
        "growing sites": growing.left_out,
        "sites with young threads": young.left_out,
        ENDED_BADLY: max(0, len(ended_badly) - ENDED_BADLY_LIMIT),
        "functions with finished tasks that are kept": max(0, len(kept) - _MOST_GROWING),
        "sites whose tasks carry the span of an ended request": max(0, len(stale) - _MOST_GROWING),
        GENERATORS: generators.left_out,
    }


def _has_impact(group: Group) -> bool:
    return group.impact is not NO_IMPACT or bool(span_name_of(group))


def _impact(group: Group, verdict: str) -> dict[str, Any]:
    """Return what a leak costs as plain values."""
    memory = group.impact.memory
    return {
        **described(group.site),
        "verdict": verdict,
        "memory": None if memory is None else memory.bytes,
        "memory_text": "" if memory is None else memory.text,
        "memory_note": "" if memory is None else memory.note,
        "held_by": group.impact.held_by,
        "waits_on": group.impact.waits_on,
        "advice": group.impact.advice,
        "span": span_name_of(group),
    }


def _stale(found: StaleSpan) -> dict[str, Any]:
    """Return tasks that carry the span of an ended request as plain values."""
    return {
        **described(found.site),
        "count": found.count,
        "span": found.span_name,
        "ended_s": round(found.ended_s, 1),
    }


def _rates(live: LiveProcess) -> list[dict[str, Any]]:
    """Return how fast the leaks of each site grow; sites with equal line and function are one sum."""
    found: dict[SiteKey, dict[str, Any]] = {}
    for site, rate in list(live.diagnosed.rates.items()):
        entry = found.setdefault(key_of(site), {**described(site), "per_hour": 0.0, "over_s": 0.0})
        entry["per_hour"] = round(entry["per_hour"] + rate.per_hour, 1)
        entry["over_s"] = max(entry["over_s"], rate.over_s)
    return list(found.values())


def _growing(live: LiveProcess, groups: Iterable[Group]) -> _Described:
    """Describe the growing sites, largest first; of sites with equal line and function only the largest."""
    largest = sorted((group for group in groups if group.verdict == "growing"), key=lambda group: -group.count)
    described: dict[SiteKey, dict[str, Any]] = {}
    left_out: set[SiteKey] = set()
    for group in largest:
        key = key_of(group.site)
        known = described.get(key)
        if known is not None:
            known["count"] += group.count
        elif len(described) >= _MOST_GROWING:
            left_out.add(key)
        else:
            finding = live.describe(group)
            if finding is not None:
                described[key] = _finding(finding)
    return _Described(list(described.values()), len(left_out))


def _young(live: LiveProcess, groups: Sequence[Group], resident_limit: int) -> _Described:
    """Describe young threads by site, largest first; ``counts`` is true if there are too many for residents."""
    described: list[dict[str, Any]] = []
    largest = sorted(groups, key=lambda group: -group.count)
    for group in largest[:_MOST_GROWING]:
        finding = live.describe(group)
        if finding is not None:
            described.append({**_finding(finding), "counts": group.count > resident_limit})
    return _Described(described, max(0, len(largest) - _MOST_GROWING))


def _finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain values."""
    return {
        "kind": finding.kind,
        "function": finding.function,
        "path": finding.path,
        "line": finding.line,
        "runs": finding.runs,
        "via": [line_facts(line) for line in finding.via],
        "count": finding.count,
        "reason": finding.reason,
        "waits": [
            {"at": None if frame is None else _frame(frame), "wait_reason": wait_reason, "count": count}
            for frame, wait_reason, count in finding.waits
        ],
        "wait_reason": finding.observation.wait_reason,
        "stalled_s": finding.stalled_s,
        "stack": [_frame(frame) for frame in finding.observation.chain],
        "creation_stack": [_frame(frame) for frame in finding.creation],
        "creation_sampled": finding.creation_sampled,
    }


def _frame(frame: NamedFrame) -> dict[str, Any]:
    return {"function": frame.function, "path": frame.path, "line": frame.line}
