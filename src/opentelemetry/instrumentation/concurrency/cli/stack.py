"""``stack``: where tasks or threads wait, all that are alike in one block."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from ..census.snapshot import CreationSite, LivePicture, Snapshot, group_by_stack
from ..render.full_text import full_text
from ..render.grouped_text import grouped_text
from ..render.place_text import function_text, position_text
from ..render.process_info import ProcessInfo
from ..render.tally import Tally
from .external import MISSING, external_pictures
from .failures import FINE, NotInstrumentedError
from .interpreter import FIRST_VERSION, version_of
from .json_forms import pictures_json
from .sources import Counted, ProcessSource, Source, Taken, add_target, counted, sources
from .terminal import emit, emit_json, say, table

NAME: Final = "stack"
HELP: Final = "where every task waits, grouped; several processes: by line, a column each"
EXAMPLES: Final = """otel-concurrency stack 4711
otel-concurrency stack 4711 --wait queue.get --site 'shop.*'
otel-concurrency stack 4711 --verdict unwakeable --full
otel-concurrency stack 4711 --threads
otel-concurrency stack 'gunicorn*'"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser)
    parser.add_argument("--full", action="store_true", help="every one by itself")
    parser.add_argument("--threads", action="store_true", help="threads, not tasks")
    add_filters(parser)


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose among tasks."""
    parser.add_argument("--site", metavar="GLOB", help="only those created there: module.function, path or path:line")
    parser.add_argument("--wait", metavar="REASON", help="only those that wait for this, such as queue.get or io.*")
    parser.add_argument("--verdict", choices=("orphaned", "unwakeable", "any"), help="only those with this verdict")


def holds(arguments: argparse.Namespace, picture: LivePicture | Tally) -> bool:
    """Tell whether the filters choose a task or thread, or those that were counted together."""
    site = picture.site
    names = (site.function, site.path, f"{site.path}:{site.line}")
    if arguments.site and not any(fnmatchcase(name, arguments.site) for name in names):
        return False
    if arguments.wait and not fnmatchcase(picture.wait_reason, arguments.wait):
        return False
    wanted = arguments.verdict
    return not wanted or (picture.verdict is not None if wanted == "any" else picture.verdict == wanted)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found = sources(arguments)
    try:
        _show(arguments, found)
    except NotInstrumentedError as error:
        if len(found) > 1 or not isinstance(found[0], ProcessSource):
            raise
        _show(arguments, [_Outside(_from_outside(found[0], error), found[0].label)])
    return FINE


def _show(arguments: argparse.Namespace, found: Sequence[Source | _Outside]) -> None:
    kind = "thread" if arguments.threads else "task"
    if arguments.output == "json":
        emit_json([pictures_json(taken, _chosen(arguments, taken)) for taken in [source.take() for source in found]])
    elif len(found) > 1:
        emit(_side_by_side(arguments, found, kind))
    elif arguments.full:
        emit(full_text(_chosen(arguments, found[0].take())))
    else:
        emit(grouped_text(kind, [each for each in found[0].count(kind).counts if holds(arguments, each)]))


@dataclass(frozen=True, slots=True)
class _Outside:
    """A process without agent, as the standard library sees it."""

    taken: Taken
    label: str

    def take(self) -> Taken:
        return self.taken

    def count(self, kind: str) -> Counted:
        return counted(self.taken, kind)


def _from_outside(source: ProcessSource, error: NotInstrumentedError) -> Taken:
    """Return what the standard library sees of a process without agent.

    Raises:
        NotInstrumentedError: If that is nothing.
    """
    version = version_of(source.process)
    if version is None or version < FIRST_VERSION:
        raise error
    pictures = tuple(external_pictures(source.process, source.timeout_s))
    say(
        f"Process {source.label} has no agent and is seen from outside: {MISSING} are missing. "
        f"otel-concurrency attach {source.label} switches the instrumentation on."
    )
    snapshot = Snapshot(time.time(), source.process.process_id, pictures, (), (), group_by_stack(pictures))
    return Taken(snapshot, ProcessInfo(source.process.process_id, source.process.python))


def _chosen(arguments: argparse.Namespace, taken: Taken) -> list[LivePicture]:
    pictures = taken.snapshot.threads if arguments.threads else taken.snapshot.tasks
    return [picture for picture in pictures if holds(arguments, picture)]


def _side_by_side(arguments: argparse.Namespace, found: Sequence[Source | _Outside], kind: str) -> Iterable[str]:
    """Return a table by creation site with a column a process."""
    columns: list[Counter[CreationSite]] = []
    for source in found:
        columns.append(Counter())
        for each in source.count(kind).counts:
            if holds(arguments, each):
                columns[-1][each.site] += each.count
    total: Counter[CreationSite] = sum(columns, Counter())
    rows = (
        (str(count), *(str(column[site]) for column in columns), function_text(site), position_text(site))
        for site, count in total.most_common()
    )
    headings = ("TOTAL>", *(f"{source.label}>" for source in found), "CREATED BY", "AT")
    return table(headings, rows, wide=arguments.output == "wide", with_headings=not arguments.no_headers)
