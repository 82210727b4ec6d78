"""``leaks``: runs the diagnosis and the proof now and shows verdicts with evidence; exit code 1 if there are any."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

from ..render.name_text import sanitize_name
from ..snapshot.grouping import alike
from ..snapshot.values import CreationSite, LivePicture
from .by_process import summary_by_process
from .endpoint import UrlSource
from .failures import FINE, LEAKS_FOUND
from .filters import add_filters, holds
from .fitting import sentence_lines, terminal_width
from .impact_lines import Impacts
from .json_forms import pictures_json
from .leak_blocks import (
    Form,
    ended_badly_block,
    finished_block,
    generators_block,
    growing_block,
    has_hidden_frames,
    leak_block,
    stale_span_block,
    unawaited_block,
)
from .left_out import left_out_lines
from .rate_lines import Rates
from .several import Asked
from .silent_loop_lines import silent_loop_block, silent_loops_of
from .site_cells import site_of
from .sources import Source, add_target, sources
from .taken import Taken, taken_from
from .terminal import emit, emit_json, say

NAME: Final = "leaks"
HELP: Final = "run the diagnosis and the proof now; exit code 1 if there are leaks"
EXAMPLES: Final = """otel-concurrency leaks 4711
otel-concurrency leaks 4711 --site 'shop.*' --verdict unwakeable
otel-concurrency leaks all --json
otel-concurrency leaks 4711 || alert"""
FORMS: Final = ("table", "wide", "json")
HAS_HEADINGS: Final = True
REPEATS: Final = True

_PROOF_TIMEOUT_S: Final = 120.0
_REASON_LIMIT: Final = 1000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, usual_timeout="2m")
    parser.add_argument("--full", action="store_true", help="also show the frames of libraries")
    parser.add_argument(
        "--sort", choices=("count", "memory"), default="count", help="order of the leaks (default count)"
    )
    add_filters(parser, verdicts=("orphaned", "unwakeable", "growing", "destroyed"))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found = sources(arguments, usual_timeout_s=_PROOF_TIMEOUT_S)
    asked = Asked(found, lambda source: chosen_leaks(arguments, *asked_leaks(source)))
    leaks = False
    if arguments.output == "json":
        answers = [answer for _, answer in asked.in_order()]
        leaks = any(_has_leaks(taken, facts) for taken, facts in answers)
        emit_json(
            [
                {**pictures_json(taken, (*taken.snapshot.tasks, *taken.snapshot.threads)), **facts}
                for taken, facts in answers
            ]
        )
    else:
        form = Form(arguments.full, 0 if arguments.output == "wide" else terminal_width())
        none_text = "No leaks match" if arguments.site or arguments.wait or arguments.verdict else "No leaks"
        counted: dict[str, Counter[CreationSite]] = {}
        for source, (taken, facts) in asked:
            leaks = leaks or _has_leaks(taken, facts)
            counted[source.label] = _counts_by_site(taken, facts)
            if len(found) > 1 and not arguments.no_headers:
                emit([f"process {taken.snapshot.process_id} {taken.process.service_name}".rstrip() + "\n"])
            by_memory = arguments.sort == "memory"
            emit(leak_lines(taken, facts, form, none_text=none_text, by_memory=by_memory))
        in_order = [(source.label, counted[source.label]) for source in found if source.label in counted]
        emit(summary_by_process(arguments, "leaked tasks and threads", in_order))
    return asked.exit_code or (LEAKS_FOUND if leaks else FINE)


def _counts_by_site(taken: Taken, facts: dict[str, Any]) -> Counter[CreationSite]:
    """Return how many leaked tasks and threads a process has at each site, and how many live ones at growing sites."""
    counts = Counter(picture.site for picture in (*taken.snapshot.tasks, *taken.snapshot.threads))
    for site in facts.get("growing") or ():
        counts[site_of(site)] += site["count"]
    return counts


def _has_leaks(taken: Taken, facts: dict[str, Any]) -> bool:
    return bool(taken.snapshot.tasks or taken.snapshot.threads or _has_more(facts))


def chosen_leaks(arguments: argparse.Namespace, taken: Taken, facts: dict[str, Any]) -> tuple[Taken, dict[str, Any]]:
    """Return the part of an answer that the filters select."""
    snapshot = replace(
        taken.snapshot,
        tasks=tuple(picture for picture in taken.snapshot.tasks if holds(arguments, picture)),
        threads=tuple(picture for picture in taken.snapshot.threads if holds(arguments, picture)),
    )
    growing = [site for site in facts.get("growing", ()) if _holds_growing(arguments, site)]
    ended_badly = [site for site in facts.get("ended_badly", ()) if _holds_ended_badly(arguments, site)]
    young = [site for site in facts.get("young_threads", ()) if _holds_young(arguments, site)]
    stale = [site for site in facts.get("stale_spans", ()) if _holds_stale(arguments, site)]
    kept = [each for each in facts.get("finished_kept", ()) if _holds_stale(arguments, each)]
    unawaited = [each for each in facts.get("never_awaited", ()) if _holds_stale(arguments, each)]
    more = {
        "never_awaited": unawaited,
        "growing": growing,
        "ended_badly": ended_badly,
        "young_threads": young,
        "stale_spans": stale,
        "finished_kept": kept,
        "generators_left": [each for each in facts.get("generators_left", ()) if _holds_stale(arguments, each)],
    }
    return replace(taken, snapshot=snapshot), {**facts, **more}


def _has_more(facts: dict[str, Any]) -> bool:
    """Return whether a site is growing, or has more young threads than may be residents."""
    return bool(facts.get("growing")) or any(site.get("counts") for site in facts.get("young_threads", ()))


def _holds_stale(arguments: argparse.Namespace, facts: dict[str, Any]) -> bool:
    # These tasks have neither a verdict nor one wait reason.
    return not arguments.verdict and not arguments.wait and _is_of_site(arguments, facts)


def _holds_young(arguments: argparse.Namespace, facts: dict[str, Any]) -> bool:
    if arguments.verdict not in (None, "orphaned") or not _is_of_site(arguments, facts):
        return False
    return not arguments.wait or fnmatchcase(facts.get("wait_reason", ""), arguments.wait)


def _holds_growing(arguments: argparse.Namespace, facts: dict[str, Any]) -> bool:
    if arguments.verdict not in (None, "growing") or not _is_of_site(arguments, facts):
        return False
    reasons = [facts.get("wait_reason", ""), *(wait["wait_reason"] for wait in facts.get("waits", ()))]
    return not arguments.wait or any(fnmatchcase(reason, arguments.wait) for reason in reasons)


def _holds_ended_badly(arguments: argparse.Namespace, facts: dict[str, Any]) -> bool:
    if arguments.verdict not in (None, "destroyed") or arguments.wait or not _is_of_site(arguments, facts):
        return False
    return arguments.verdict is None or bool(facts["destroyed"])


def _is_of_site(arguments: argparse.Namespace, facts: dict[str, Any]) -> bool:
    return not arguments.site or site_of(facts).matches(arguments.site)


def asked_leaks(source: Source) -> tuple[Taken, dict[str, Any]]:
    """Return the leaked tasks and threads of a process, and the other facts of its agent.

    Raises:
        CommandError: If it does not answer.
    """
    if isinstance(source, UrlSource):
        say("A debug endpoint shows the verdicts of its last scan; for a new proof, use the PID on the machine itself.")
        return _only_verdicts(source.take()), {}
    answer = source.ask("leaks")
    return taken_from(answer.body, f"process {source.label}"), answer.facts


def _only_verdicts(taken: Taken) -> Taken:
    tasks = tuple(picture for picture in taken.snapshot.tasks if picture.verdict is not None)
    threads = tuple(picture for picture in taken.snapshot.threads if picture.verdict is not None)
    return Taken(replace(taken.snapshot, tasks=tasks, threads=threads), taken.process)


def leak_lines(
    taken: Taken,
    facts: dict[str, Any],
    form: Form | None = None,
    *,
    none_text: str = "No leaks",
    by_memory: bool = False,
) -> Iterator[str]:
    """Yield the output for one process, line by line: the summary, then a block per leak, largest site first.

    Args:
        taken: Its leaked tasks and threads.
        facts: The other facts of the agent; empty for a debug endpoint.
        form: How the blocks are written.
        none_text: The summary if there are no leaks.
        by_memory: Whether the leaks that hold most memory come first, rather than the largest sites.
    """
    form = form or Form()
    groups = by_site(groups_of((*taken.snapshot.tasks, *taken.snapshot.threads)))
    growing, young = facts.get("growing") or [], facts.get("young_threads") or []
    impacts = Impacts(facts.get("impacts") or ())
    if by_memory:
        groups.sort(key=lambda group: -impacts.bytes_of(group[0].site, group[0].verdict))
        growing = sorted(growing, key=lambda site: -impacts.bytes_of(site_of(site), "growing"))
    summary = _summary(groups, len(growing), young)
    checked = _checked(facts, with_threads=not summary)
    yield from sentence_lines(f"{summary or none_text}{checked}.", form.width)
    if facts.get("undecided"):
        yield f"The proof is incomplete: {sanitize_name(facts['undecided'], _REASON_LIMIT)}.\n"
    if groups and facts.get("memory_note"):
        yield f"{sanitize_name(facts['memory_note'], _REASON_LIMIT)}.\n"
    rates = Rates(facts.get("rates") or (), impacts)
    blocks = [
        *(
            leak_block(
                group, form, impacts.lines_of(group[0].site, group[0].verdict) + rates.lines_of(group[0], groups)
            )
            for group in groups
        ),
        *(
            growing_block(site, form, impact=impacts.lines_of(site_of(site), "growing") + rates.lines_of_growing(site))
            for site in growing
        ),
        *(
            growing_block(site, form, verdict="young", impact=impacts.lines_of(site_of(site), "young"))
            for site in young
        ),
        *_further_blocks(facts, form),
    ]
    if blocks:
        yield "\n"
    for block in blocks:
        yield from block
    yield from left_out_lines(facts, form.width)
    stacks = [stack for group in groups for stack in (group[0].stack, group[0].creation_stack)]
    if not form.full and has_hidden_frames(stacks):
        yield "Frames of libraries are hidden; --full shows them.\n"


def _further_blocks(facts: dict[str, Any], form: Form) -> Iterator[Iterator[str]]:
    """Yield the blocks about what is not a leak by itself."""
    yield from (ended_badly_block(site, form) for site in facts.get("ended_badly") or [])
    yield from (finished_block(each, form) for each in facts.get("finished_kept") or [])
    yield from (stale_span_block(site, form) for site in facts.get("stale_spans") or [])
    yield from (generators_block(site, form) for site in facts.get("generators_left") or [])
    yield from (unawaited_block(each, form) for each in facts.get("never_awaited") or [])
    yield from (silent_loop_block(loop) for loop in silent_loops_of(facts))


def by_site(groups: Sequence[list[LivePicture]]) -> list[list[LivePicture]]:
    """Return groups with those of a site beside each other, the site with most members first."""
    total: Counter[object] = Counter()
    for group in groups:
        total[group[0].kind, group[0].site] += len(group)
    order = {key: number for number, (key, _) in enumerate(total.most_common())}
    return sorted(groups, key=lambda group: order[group[0].kind, group[0].site])


def _checked(facts: dict[str, Any], *, with_threads: bool) -> str:
    """Return what was checked, in brackets; agents of earlier versions do not count threads."""
    examined, threads = facts.get("examined"), facts.get("threads")
    if examined is None:
        return ""
    tasks = f"{examined} suspended task{_plural(examined)}"
    and_threads = f" and {threads} thread{_plural(threads)}" if with_threads and threads is not None else ""
    return f" ({tasks}{and_threads} checked)"


def _summary(groups: list[list[LivePicture]], growing: int, young: list[dict[str, Any]]) -> str:
    parts = []
    for kind in ("task", "thread"):
        alike = [group for group in groups if group[0].kind == kind]
        if alike:
            count, sites = sum(map(len, alike)), len({group[0].site for group in alike})
            parts.append(f"{count} leaked {kind}{_plural(count)} at {sites} site{_plural(sites)}")
    if growing:
        parts.append(f"{growing} growing site{_plural(growing)}")
    if young:
        count = sum(site["count"] for site in young)
        their = "its creator" if count == 1 else "their creators"
        parts.append(f"{count} young thread{_plural(count)} that outlived {their}")
    return ", ".join(parts)


def _plural(count: int) -> str:
    return "" if count == 1 else "s"


def groups_of(pictures: Iterable[LivePicture]) -> list[list[LivePicture]]:
    """Group pictures by kind, site, stack, wait reason and verdict: largest group first, oldest member first."""
    groups = alike(pictures, lambda one: (one.kind, one.site, one.stack, one.wait_reason, one.verdict))
    groups.sort(key=len, reverse=True)
    return [sorted(group, key=lambda one: -one.age_s) for group in groups]
