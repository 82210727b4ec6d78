"""``stack``: where tasks or threads wait, one block per group."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..render.full_text import full_text
from ..render.grouped_text import grouped_text
from ..snapshot.process_info import ProcessInfo
from ..snapshot.tally import group_by_stack
from ..snapshot.values import CreationSite, LivePicture, Snapshot
from .by_process import table_by_process
from .external import MISSING, external_pictures
from .failures import FINE, NotInstrumentedError
from .filters import add_filters, holds, say_if_none
from .fitting import terminal_width
from .json_forms import pictures_json
from .processes import allows_inspection
from .readable_stacks import readable_stacks
from .several import Asked
from .sources import ProcessSource, Source, add_target, sources
from .taken import Counted, Taken, counted
from .terminal import emit, emit_json, say

NAME: Final = "stack"
HELP: Final = "where every task waits, grouped; several processes: by site, one column per process"
EXAMPLES: Final = """otel-concurrency stack 4711
otel-concurrency stack 4711 --wait queue.get --site 'shop.*'
otel-concurrency stack 4711 --verdict unwakeable --each
otel-concurrency stack 4711 --threads
otel-concurrency stack 'gunicorn*'"""
FORMS: Final = ("table", "wide", "json")
HAS_HEADINGS: Final = True
REPEATS: Final = True


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser)
    parser.add_argument("--full", action="store_true", help="also show the frames of libraries")
    parser.add_argument("--each", action="store_true", help="show each task or thread separately, with all frames")
    parser.add_argument("--threads", action="store_true", help="show threads instead of tasks")
    add_filters(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found = sources(arguments)
    try:
        return _show(arguments, found)
    except NotInstrumentedError as error:
        if len(found) > 1 or not isinstance(found[0], ProcessSource):
            raise
        return _show(arguments, [_Outside(_from_outside(found[0], error), found[0].label)])


def _show(arguments: argparse.Namespace, found: Sequence[Source | _Outside]) -> int:
    """Show the tasks or threads of the sources, and return the exit code."""
    kind = "thread" if arguments.threads else "task"
    if arguments.output == "json":
        taken = Asked(found, lambda source: source.take())
        emit_json([pictures_json(each, _chosen(arguments, each)) for _, each in taken.in_order()])
        return taken.exit_code
    if len(found) > 1:
        asked = Asked(found, lambda source: source.count(kind))
        answers = [(source.label, counts) for source, counts in asked.in_order()]
        if answers:
            emit(_side_by_side(arguments, answers))
        return asked.exit_code
    if arguments.each:
        whole = found[0].take()
        say_if_none(arguments, kind, _of_kind(arguments, whole))
        emit(full_text(_chosen(arguments, whole)))
        return FINE
    counts = found[0].count(kind).counts
    say_if_none(arguments, kind, counts)
    lines = grouped_text(kind, [each for each in counts if holds(arguments, each)])
    width = terminal_width()
    emit(readable_stacks(lines, kind, width, full=arguments.full) if width and arguments.output != "wide" else lines)
    return FINE


@dataclass(frozen=True, slots=True)
class _Outside:
    """A process without an agent, as the standard library sees it."""

    taken: Taken
    label: str

    def take(self) -> Taken:
        return self.taken

    def count(self, kind: str) -> Counted:
        return counted(self.taken, kind)


def _from_outside(source: ProcessSource, error: NotInstrumentedError) -> Taken:
    """Return the tasks that the standard library sees in a process without an agent.

    Raises:
        NotInstrumentedError: If it can't inspect the process.
    """
    if not allows_inspection(source.process):
        raise error
    pictures = tuple(external_pictures(source.process, source.timeout_s))
    say(
        f"Process {source.label} has no agent; it is inspected from outside, without {MISSING}. "
        f"To turn the instrumentation on: otel-concurrency attach {source.label}"
    )
    snapshot = Snapshot(time.time(), source.process.process_id, pictures, (), (), group_by_stack(pictures))
    return Taken(snapshot, ProcessInfo(source.process.process_id, source.process.python))


def _chosen(arguments: argparse.Namespace, taken: Taken) -> list[LivePicture]:
    return [picture for picture in _of_kind(arguments, taken) if holds(arguments, picture)]


def _of_kind(arguments: argparse.Namespace, taken: Taken) -> tuple[LivePicture, ...]:
    return taken.snapshot.threads if arguments.threads else taken.snapshot.tasks


def _side_by_side(arguments: argparse.Namespace, answers: Sequence[tuple[str, Counted]]) -> Iterable[str]:
    """Return a table by creation site with one column per process."""
    counted: list[tuple[str, Counter[CreationSite]]] = []
    for label, found in answers:
        counts: Counter[CreationSite] = Counter()
        for each in found.counts:
            if holds(arguments, each):
                counts[each.site] += each.count
        counted.append((label, counts))
    return table_by_process(arguments, counted)
