"""``stats``: live tasks and threads, creations per second, the largest sites, and event-loop delays."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from ..agent.answer_shapes import GENERATORS
from ..durations import short_duration
from ..sanitize import sanitize
from ..snapshot.values import CreationSite
from .by_process import summary_by_process
from .fitting import field_lines, terminal_width
from .left_out import left_out_lines, more_rows
from .quantities import seconds
from .rate_lines import rate_text
from .several import Asked
from .silent_loop_lines import silent_loop_block, silent_loops_of
from .site_cells import SITE_COLUMNS, memory_cell, site_cells, site_key, site_of
from .sources import Source, add_target, sources
from .tables import Column, number, table
from .terminal import emit, emit_json

NAME: Final = "stats"
HELP: Final = "tasks, threads, event loops and their delay, creations per second, top sites"
EXAMPLES: Final = (
    "otel-concurrency stats 4711\notel-concurrency stats 4711 --interval 5s\notel-concurrency stats all --json"
)
FORMS: Final = ("table", "wide", "json")
HAS_HEADINGS: Final = True
REPEATS: Final = True


_COLUMNS: Final = (
    number("LIVE"),
    number("ORPHANS"),
    number("CREATED/s", rank=4),
    number("OLDEST", rank=5),
    Column("KIND", rank=3),
    *SITE_COLUMNS,
)
_SITE_WITHOUT_RUNS: Final = tuple(column for column in SITE_COLUMNS if column.heading != "RUNS")
"""The same function runs for every executor."""
_COLUMNS_OF_EXECUTORS: Final = (
    number("BUSY"),
    number("LIMIT"),
    number("QUEUED"),
    number("OLDEST QUEUED", rank=1),
    number("EXECUTORS", rank=1),
    *_SITE_WITHOUT_RUNS,
)
_COLUMNS_OF_ENDED: Final = (number("DESTROYED"), number("UNRETRIEVED"), number("CREATED", rank=1), *SITE_COLUMNS)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser)
    parser.add_argument("--interval", metavar="DURATION", default="1s", help="interval for rates (default 1s)")
    parser.add_argument("--sort", choices=("live", "memory"), default="live", help="order of the sites (default live)")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many sites to show (default 10)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found = sources(arguments)
    interval_s = seconds(arguments.interval, "--interval")
    asked = Asked(found, lambda source: _measured(source, interval_s))
    if arguments.output == "json":
        emit_json([facts for _, facts in asked.in_order()])
        return asked.exit_code
    counted: dict[str, Counter[CreationSite]] = {}
    for source, facts in asked:
        emit(["\n"] if counted else [])
        emit(_lines(facts))
        emit(_tables(arguments, facts))
        emit(left_out_lines(facts, terminal_width(), (GENERATORS,)))
        counts = counted.setdefault(source.label, Counter())
        for site in facts.get("sites", []):
            counts[site_of(site)] += site["live"]
    in_order = [(source.label, counted[source.label]) for source in found if source.label in counted]
    emit(summary_by_process(arguments, "live tasks and threads", in_order, max(0, arguments.top)))
    return asked.exit_code


def _tables(arguments: argparse.Namespace, facts: dict[str, Any]) -> Iterator[str]:
    """Yield the sites with most live tasks, those with executors, then those whose tasks were destroyed or failed."""
    sites, executors = facts.get("sites", []), facts.get("executors", [])
    most = max(0, arguments.top)
    form = {"wide": arguments.output == "wide", "with_headings": not arguments.no_headers}
    living = [site for site in sites if site["live"]]
    if arguments.sort == "memory":
        living.sort(key=lambda site: -(site.get("memory") or 0))
    of_leaks = [each for each in _OF_LEAKS if any(site.get(each.fact) is not None for site in living)]
    rows = ((*(each.cell(site) for each in of_leaks), *_cells(site)) for site in living[:most])
    yield from table((*(each.column for each in of_leaks), *_COLUMNS), rows, **form)
    yield from more_rows(len(living) - most, "sites")
    if executors:
        yield "\n"
        yield "executors:\n"
        yield from table(_COLUMNS_OF_EXECUTORS, map(_cells_of_executors, executors[:most]), **form)
        yield from more_rows(len(executors) - most, "lines")
    ended = [site for site in sites if site.get("destroyed") or site.get("unretrieved")]
    if ended:
        ended.sort(key=lambda site: -(site.get("destroyed", 0) + site.get("unretrieved", 0)))
        yield "\n"
        yield "tasks that were destroyed while pending, or whose exception was never retrieved:\n"
        yield from table(_COLUMNS_OF_ENDED, map(_cells_of_ended, ended[:most]), **form)
        yield from more_rows(len(ended) - most, "sites")


def _rate_cell(site: dict[str, Any]) -> str:
    rate = site.get("leaked_per_hour")
    return "-" if rate is None else rate_text(rate)


class _OfLeaks(NamedTuple):
    """A column that is shown if a site has the fact."""

    fact: str
    column: Column
    cell: Callable[[dict[str, Any]], str]


_OF_LEAKS: Final = (
    _OfLeaks("memory", number("MEMORY", rank=1), memory_cell),
    _OfLeaks("leaked_per_hour", number("LEAKED/h", rank=2), _rate_cell),
)


def _measured(source: Source, interval_s: float) -> dict[str, Any]:
    """Query twice and return the second answer, with rates."""
    before, began = source.ask("stats").facts, time.monotonic()
    time.sleep(interval_s)
    facts = source.ask("stats").facts
    elapsed = time.monotonic() - began
    earlier = {site_key(site): site["created"] for site in before.get("sites", [])}
    for site in facts.get("sites", []):
        created = site["created"] - earlier.get(site_key(site), site["created"])
        site["created_per_s"] = round(created / elapsed, 1)
    facts["created_per_s"] = {
        kind: round((count - before["created"][kind]) / elapsed, 1) for kind, count in facts["created"].items()
    }
    return facts


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    fields = (
        f"process {facts['pid']}",
        facts.get("service"),
        f"Python {facts['python']}",
        f"instrumented for {short_duration(facts['uptime_s'])}",
        f"package {facts['version']}",
        f"{facts['recorder']} recorder" if facts.get("recorder") else "",
    )
    yield from field_lines([sanitize(field) for field in fields if field], terminal_width())
    rates = facts["created_per_s"]
    yield f"tasks    {facts.get('tasks')} live{_verdicts(facts, 'tasks')}, {rates['tasks']:g} created per second\n"
    system = f", {facts['os_threads']} of the operating system" if facts.get("os_threads") else ""
    verdicts = _verdicts(facts, "threads")
    yield f"threads  {facts.get('threads')} live{system}{verdicts}, {rates['threads']:g} created per second\n"
    for loop in facts.get("loops", []):
        yield f"loop     {loop['state']}  {loop['type']}\n"
    for loop in silent_loops_of(facts):
        lines = silent_loop_block(loop)
        yield f"blocked  {next(lines)}"
        yield from lines
    for name, delay in facts.get("delays", {}).items():
        yield f"delay    {delay * 1000:.1f} ms in {name}\n"
    if facts.get("scan_age_s") is not None:
        took = facts.get("scan_duration_s")
        duration = "" if took is None else f", took {took * 1000:.1f} ms"
        yield f"scan     {facts['scan_age_s']:.1f} s ago{duration}\n"
    dropped = facts.get("reports_dropped") or {}
    if dropped:
        yield f"dropped  {', '.join(f'{count} reports ({reason})' for reason, count in sorted(dropped.items()))}\n"
    yield "\n"


def _verdicts(facts: dict[str, Any], kind: str) -> str:
    # An agent of an earlier version counts tasks and threads together, which gives neither number.
    found = facts.get("verdicts", {}).get(kind)
    if found is None:
        return ""
    proven = f" (unwakeable {found['unwakeable']})" if found["unwakeable"] else ""
    orphans = f", orphans {found['orphans']}{proven}" if found["orphans"] else ", no orphans"
    suspects = found["suspects"]
    return orphans + (f", {suspects} growing site{'' if suspects == 1 else 's'}" if suspects else "")


def _cells(site: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(site["live"]),
        str(site["orphans"] or "-") + (" growing" if site.get("suspect") else ""),
        f"{site['created_per_s']:g}",
        short_duration(site["oldest_s"]) + ("+" if site.get("before_attach") else ""),
        site["kind"],
        *site_cells(site_of(site)),
    )


def _cells_of_executors(site: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(site["busy"]),
        str(site["limit"]),
        str(site["queued"]),
        short_duration(site["oldest_queued_s"]) if site["queued"] else "-",
        str(site["executors"]),
        *_without_runs(site),
    )


def _cells_of_ended(site: dict[str, Any]) -> tuple[str, ...]:
    destroyed, unretrieved = site.get("destroyed", 0), site.get("unretrieved", 0)
    return str(destroyed), str(unretrieved), str(site["created"]), *site_cells(site_of(site))


def _without_runs(site: dict[str, Any]) -> tuple[str, ...]:
    at, created_by, _, through = site_cells(site_of(site))
    return at, created_by, through
