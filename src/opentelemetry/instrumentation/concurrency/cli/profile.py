"""``profile``: writes a profile in any format, the difference over an interval, or a flame graph."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..render.difference import changes_by_site, changes_text
from ..render.folded import folded, of_other_creations
from ..render.full_text import full_text
from ..render.grouped_text import grouped_text
from ..render.pprof_profile import difference, pprof_profile, samples_of
from ..sanitize import sanitize
from ..snapshot.as_json import write_snapshot
from ..snapshot.output import write_bytes, write_text
from ..snapshot.values import LivePicture
from .failures import FINE, UsageError
from .files import refuse_terminal, write_file, write_lines
from .filters import add_filters, holds
from .flame_graph import flame_graph
from .quantities import seconds
from .sources import ProcessSource, Source, add_target, one_source
from .taken import Counted, Taken, counted, taken_from
from .terminal import say

NAME: Final = "profile"
HELP: Final = "write the profile of a process: pprof, text, full, folded or json, or a flame graph"
EXAMPLES: Final = """otel-concurrency profile 4711 -o tasks.pb.gz && go tool pprof -http=: tasks.pb.gz
otel-concurrency profile 4711 --seconds 30 -o grown.pb.gz
otel-concurrency profile 4711 --format folded --by creation
otel-concurrency profile 4711 --name taskleak --format text
otel-concurrency profile 4711 --flamegraph tasks.svg"""

_NAME_LIMIT: Final = 200
_FORMATS: Final = ("pprof", "text", "full", "folded", "json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, many=False, usual_timeout="10s; 2m for taskleak")
    parser.add_argument("--name", choices=("task", "thread", "taskleak"), default="task", help="profile (default task)")
    parser.add_argument("--format", choices=_FORMATS, help="default: pprof into a file or pipe, text on a terminal")
    parser.add_argument("--seconds", metavar="N", help="write the difference over N seconds (pprof or text)")
    parser.add_argument("--flamegraph", metavar="FILE", help="write a self-contained flame graph, as .svg or .html")
    parser.add_argument("--by", choices=("wait", "creation"), default="wait", help="stacks for folded and flame graph")
    parser.add_argument("-o", dest="file", metavar="FILE", default="-", help="output file (default standard output)")
    add_filters(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    source = one_source(arguments, usual_timeout_s=120.0 if arguments.name == "taskleak" else 10.0)
    if arguments.flamegraph:
        _write_flame_graph(arguments, source)
        return FINE
    form = arguments.format or _usual_form(arguments)
    if form == "pprof":
        refuse_terminal(arguments.file, "pprof's format")
    if arguments.seconds:
        _write_difference(arguments, source, form)
    elif form in ("full", "json"):
        _write_each(arguments, form, _take(arguments, source))
    else:
        _write_counts(arguments, form, _count(arguments, source, split_loops=form == "pprof"))
    return FINE


def _usual_form(arguments: argparse.Namespace) -> str:
    import sys

    return "text" if arguments.file == "-" and sys.stdout.isatty() else "pprof"


def _take(arguments: argparse.Namespace, source: Source) -> Taken:
    if arguments.name == "taskleak" and isinstance(source, ProcessSource):
        return taken_from(source.ask("leaks").body, f"process {source.label}")
    return source.take()


def _pictures(arguments: argparse.Namespace, taken: Taken) -> Iterable[LivePicture]:
    pictures = taken.snapshot.threads if arguments.name == "thread" else taken.snapshot.tasks
    for picture in pictures:
        if holds(arguments, picture) and (arguments.name != "taskleak" or picture.verdict is not None):
            yield picture


def _count(arguments: argparse.Namespace, source: Source, *, split_loops: bool = False) -> Counted:
    if arguments.name == "taskleak":
        found = counted(_take(arguments, source), "taskleak", split_loops=split_loops)
    else:
        found = source.count(arguments.name, split_loops=split_loops)
    return replace(found, counts=[each for each in found.counts if holds(arguments, each)])


def _write_each(arguments: argparse.Namespace, form: str, taken: Taken) -> None:
    if form == "json":
        write_file(arguments.file, lambda stream: write_snapshot(taken.snapshot, stream, process=taken.process))
    else:
        write_lines(arguments.file, full_text(_pictures(arguments, taken)))


def _write_counts(arguments: argparse.Namespace, form: str, found: Counted) -> None:
    if form == "text":
        write_lines(arguments.file, grouped_text(arguments.name, found.counts))
    elif form == "folded":
        write_lines(arguments.file, folded(found.counts, by=arguments.by))
    else:
        samples = samples_of(found.counts)
        pieces = pprof_profile(arguments.name, samples, taken_at=found.taken_at, process=found.process)
        write_file(arguments.file, lambda stream: write_bytes(pieces, stream))


def _write_difference(arguments: argparse.Namespace, source: Source, form: str) -> None:
    if form not in ("pprof", "text"):
        message = f"--seconds: expected --format pprof or text, got {form}."
        raise UsageError(message)
    interval_s = seconds(arguments.seconds, "--seconds", bare=True)
    if form == "text":
        earlier = _take(arguments, source)
        _wait(interval_s)
        text = changes_text(changes_by_site(earlier.snapshot, _take(arguments, source).snapshot))
        write_lines(arguments.file, text)
        return
    before = _count(arguments, source, split_loops=True)
    _wait(interval_s)
    after = _count(arguments, source, split_loops=True)
    pieces = pprof_profile(
        arguments.name,
        difference(before.counts, after.counts),
        taken_at=after.taken_at,
        process=after.process,
        duration_s=after.taken_at - before.taken_at,
    )
    write_file(arguments.file, lambda stream: write_bytes(pieces, stream))


def _wait(interval_s: float) -> None:
    if interval_s > 1:
        say(f"Waiting {interval_s:g} s for the second profile.")
    time.sleep(interval_s)


def _write_flame_graph(arguments: argparse.Namespace, source: Source) -> None:
    suffix = Path(arguments.flamegraph).suffix.lower()
    if suffix not in (".svg", ".html", ".htm"):
        message = f"--flamegraph {arguments.flamegraph!r}: expected a file that ends with .svg or .html."
        raise UsageError(message)
    found = _count(arguments, source)
    service = sanitize(found.process.service_name or "process", _NAME_LIMIT)
    title = f"{arguments.name} profile of {service} {found.process.process_id}"
    of_another = of_other_creations(found.counts) if arguments.by == "creation" else 0
    if of_another:
        title += f"; {of_another} shown with the stack of another task created at the same line"
    stacks = folded(found.counts, by=arguments.by)
    picture = flame_graph(stacks, title=title, as_html=suffix != ".svg")
    write_file(arguments.flamegraph, lambda stream: write_text(picture, stream))
