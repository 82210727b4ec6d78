"""``leaks``: the diagnosis and the proof, now; verdicts with their evidence; exit code 1 when there are any."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..census.snapshot import LivePicture
from ..diagnose.verdict import duration_text
from ..render.place_text import function_text, position_text, state_text
from ..render.shown import shown
from .failures import FINE, LEAKS_FOUND
from .json_forms import pictures_json
from .sources import Source, Taken, UrlSource, add_target, sources, taken_from
from .terminal import emit, emit_json, say

NAME: Final = "leaks"
HELP: Final = "run the diagnosis and the proof now; exit code 1 when something leaks"
EXAMPLES: Final = "otel-concurrency leaks 4711\notel-concurrency leaks all --json\notel-concurrency leaks 4711 || alert"

_PROOF_TIMEOUT_S: Final = 120.0
_REASON_LIMIT: Final = 1000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found = [_asked(source) for source in sources(arguments, usual_timeout_s=_PROOF_TIMEOUT_S)]
    leaks = any(taken.snapshot.tasks or taken.snapshot.threads or facts.get("growing") for taken, facts in found)
    if arguments.output == "json":
        emit_json(
            [
                {**pictures_json(taken, (*taken.snapshot.tasks, *taken.snapshot.threads)), **facts}
                for taken, facts in found
            ]
        )
    else:
        for taken, facts in found:
            if len(found) > 1:
                emit([f"process {taken.snapshot.process_id} {taken.process.service_name}".rstrip() + "\n"])
            emit(_lines(taken, facts))
    return LEAKS_FOUND if leaks else FINE


def _asked(source: Source) -> tuple[Taken, dict[str, Any]]:
    if isinstance(source, UrlSource):
        say("A debug endpoint shows the verdicts of its last scan; for a proof now, ask on the machine by PID.")
        return _only_verdicts(source.take()), {}
    answer = source.ask("leaks")
    return taken_from(answer.body, f"process {source.label}"), answer.facts


def _only_verdicts(taken: Taken) -> Taken:
    from dataclasses import replace

    tasks = tuple(picture for picture in taken.snapshot.tasks if picture.verdict is not None)
    threads = tuple(picture for picture in taken.snapshot.threads if picture.verdict is not None)
    return Taken(replace(taken.snapshot, tasks=tasks, threads=threads), taken.process)


def _lines(taken: Taken, facts: dict[str, Any]) -> Iterator[str]:
    pictures = (*taken.snapshot.tasks, *taken.snapshot.threads)
    groups = groups_of(pictures)
    for group in groups:
        yield from _block(group)
    growing = facts.get("growing") or []
    for site in growing:
        yield f"growing: {shown(site['function'])} {shown(site['path'], _REASON_LIMIT)}:{site['line']}\n"
        yield f"  {shown(site['reason'], _REASON_LIMIT)}\n\n"
    proof = f"; the proof looked at {facts['examined']} suspended tasks" if "examined" in facts else ""
    if groups or growing:
        lines = len({group[0].site for group in groups}) + len(growing)
        yield f"{len(pictures)} left over, {lines} leaking line{'' if lines == 1 else 's'}{proof}.\n"
    else:
        yield f"No leaks{proof}.\n"
    if facts.get("undecided"):
        yield f"Not everything could be proven: {shown(facts['undecided'], _REASON_LIMIT)}.\n"


def groups_of(pictures: Iterable[LivePicture]) -> list[list[LivePicture]]:
    """Return pictures that share kind, site, stack, wait reason and verdict together, most first, the oldest first."""
    alike: dict[object, list[LivePicture]] = {}
    for picture in pictures:
        key = (picture.kind, picture.site, picture.stack, picture.wait_reason, picture.verdict)
        alike.setdefault(key, []).append(picture)
    groups = sorted(alike.values(), key=len, reverse=True)
    return [sorted(group, key=lambda one: -one.age_s) for group in groups]


def _block(group: list[LivePicture]) -> Iterator[str]:
    oldest = group[0]
    noun = f"{oldest.kind}{'' if len(group) == 1 else 's'}"
    site = f"{function_text(oldest.site)} {position_text(oldest.site)}".rstrip()
    yield f"{len(group)} {noun} {oldest.verdict}: created by {site}\n"
    reason = f": {shown(oldest.reason, _REASON_LIMIT)}" if oldest.reason else ""
    yield f"  the oldest is {duration_text(oldest.age_s)} old{reason}\n"
    yield f"  it waits in {state_text(oldest.wait_reason, oldest.stalled_s, None)}\n"
    for entry in reversed(oldest.stack):
        yield f"    {function_text(entry)}  {position_text(entry)}\n"
    if len(oldest.creation_stack) > 1:
        yield "  created by\n"
        for entry in reversed(oldest.creation_stack):
            yield f"    {function_text(entry)}  {position_text(entry)}\n"
    if oldest.deadlock:
        circle = [*oldest.deadlock, oldest.deadlock[0]]
        yield f"  deadlock: {' awaits '.join(f'task {serial}' for serial in circle)}\n"
    yield "\n"
