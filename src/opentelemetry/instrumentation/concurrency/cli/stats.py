"""``stats``: how many of what, how fast they come, which lines have most, how late the event loops are."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any, Final

from .failures import FINE
from .sources import Source, add_target, seconds, sources
from .terminal import emit, emit_json, short_duration, table

NAME: Final = "stats"
HELP: Final = "tasks, threads, event loops and their delay, what is created per second, top lines"
EXAMPLES: Final = (
    "otel-concurrency stats 4711\notel-concurrency stats 4711 --interval 5s\notel-concurrency stats all --json"
)

_HEADINGS: Final = ("LIVE>", "ORPHANS>", "CREATED/s>", "OLDEST>", "KIND", "CREATED BY", "AT")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser)
    parser.add_argument("--interval", metavar="DURATION", default="1s", help="over what the rate is taken (default 1s)")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many lines to show (default 10)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found = sources(arguments)
    interval_s = seconds(arguments.interval)
    made = [(source, _measured(source, interval_s)) for source in found]
    if arguments.output == "json":
        emit_json([facts for _, facts in made])
        return FINE
    for number, (_, facts) in enumerate(made):
        emit(["\n"] if number else [])
        emit(_lines(facts))
        sites = facts.get("sites", [])[: max(0, arguments.top)]
        wide = arguments.output == "wide"
        emit(table(_HEADINGS, map(_cells, sites), wide=wide, with_headings=not arguments.no_headers))
    return FINE


def _measured(source: Source, interval_s: float) -> dict[str, Any]:
    """Ask twice and return the second answer, with rates."""
    before, began = source.ask("stats").facts, time.monotonic()
    time.sleep(interval_s)
    facts = source.ask("stats").facts
    elapsed = time.monotonic() - began
    earlier = {_key(site): site["created"] for site in before.get("sites", [])}
    for site in facts.get("sites", []):
        created = site["created"] - earlier.get(_key(site), site["created"])
        site["created_per_s"] = round(created / elapsed, 1)
    facts["created_per_s"] = {
        kind: round((count - before["created"][kind]) / elapsed, 1) for kind, count in facts["created"].items()
    }
    return facts


def _key(site: dict[str, Any]) -> tuple[Any, ...]:
    return site["kind"], site["function"], site["path"], site["line"]


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    service = f"  {facts['service']}" if facts.get("service") else ""
    yield (
        f"process {facts['pid']}{service}  Python {facts['python']}  "
        f"instrumented for {short_duration(facts['uptime_s'])}  package {facts['version']}\n"
    )
    rates = facts["created_per_s"]
    orphans = f", orphans {facts['orphans']} (unwakeable {facts['unwakeable']})" if facts["orphans"] else ", no orphans"
    suspects = f", growing lines {facts['suspects']}" if facts["suspects"] else ""
    yield f"tasks    {facts['tasks']} live{orphans}{suspects}, {rates['tasks']:g} created a second\n"
    system = f", {facts['os_threads']} of the operating system" if facts.get("os_threads") else ""
    yield f"threads  {facts['threads']} live{system}, {rates['threads']:g} created a second\n"
    for loop in facts.get("loops", []):
        yield f"loop     {loop['state']}  {loop['type']}\n"
    for name, delay in facts.get("delays", {}).items():
        yield f"delay    {delay * 1000:.1f} ms in {name}\n"
    yield f"scan     {facts['scan_age_s']:.1f} s ago, took {facts['scan_duration_s'] * 1000:.1f} ms\n"
    dropped = facts.get("reports_dropped") or {}
    if dropped:
        yield f"dropped  {', '.join(f'{count} reports ({reason})' for reason, count in sorted(dropped.items()))}\n"
    yield "\n"


def _cells(site: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(site["live"]),
        str(site["orphans"] or "-") + (" growing" if site.get("suspect") else ""),
        f"{site['created_per_s']:g}",
        short_duration(site["oldest_s"]),
        site["kind"],
        site["function"],
        f"{site['path']}:{site['line']}" if site["path"] else "",
    )
