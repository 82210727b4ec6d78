"""``cancel``: first aid in production: shows what it would cancel, asks, and says what became of it. Never threads."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from ..census.snapshot import LivePicture
from ..render.place_text import position_text
from .failures import FINE, CommandError, UsageError
from .json_forms import pictures_json
from .leaks import groups_of
from .sources import Source, Taken, add_target, one_source, seconds, taken_from
from .terminal import emit, emit_json

NAME: Final = "cancel"
HELP: Final = "cancel tasks of one line, where the process was started with ALLOW_CANCEL"
EXAMPLES: Final = """otel-concurrency cancel 4711 --site shop.search.query --dry-run
otel-concurrency cancel 4711 --site 'shop.*' --verdict unwakeable --limit 1000
otel-concurrency cancel 4711 --site shop.search.query --yes"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, many=False)
    parser.add_argument(
        "--site", metavar="GLOB", required=True, help="created there: module.function, path or path:line"
    )
    parser.add_argument("--verdict", choices=("orphaned", "unwakeable"), help="only those with this verdict")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many (default 100)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be cancelled, and nothing else")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--wait", metavar="DURATION", default="5s", help="how long to watch what becomes of them")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    wait_s = seconds(arguments.wait)
    source = one_source(arguments, usual_timeout_s=10.0 + wait_s)
    order = {"site": arguments.site, "verdict": arguments.verdict or "", "limit": arguments.limit, "wait_s": wait_s}
    taken, facts = _asked(source, {**order, "dry_run": True})
    as_json = arguments.output == "json"
    if arguments.dry_run or not taken.snapshot.tasks:
        return _finish(taken, facts, as_json=as_json)
    if not facts["allowed"]:
        # The agent says best what to do.
        source.ask("cancel", **order, serials=[])
    if not as_json:
        emit(_matching(taken, facts))
    if not arguments.yes:
        _confirm(len(taken.snapshot.tasks), source)
    serials = [picture.serial for picture in taken.snapshot.tasks]
    taken, facts = _asked(source, {**order, "serials": serials})
    return _finish(taken, facts, as_json=as_json, cancelled=True)


def _asked(source: Source, order: dict[str, Any]) -> tuple[Taken, dict[str, Any]]:
    answer = source.ask("cancel", **order)
    return taken_from(answer.body, f"process {source.label}"), answer.facts


def _finish(taken: Taken, facts: dict[str, Any], *, as_json: bool, cancelled: bool = False) -> int:
    if as_json:
        emit_json({**pictures_json(taken, taken.snapshot.tasks), **facts})
    elif cancelled:
        emit(_outcome(facts))
    else:
        emit(_matching(taken, facts))
    return FINE


def _matching(taken: Taken, facts: dict[str, Any]) -> list[str]:
    lines = [_line(group) for group in groups_of(taken.snapshot.tasks)]
    refused = facts["refused"]
    if not lines:
        lines.append("No task matches that can be cancelled.\n")
    if refused["cycle"]:
        lines.append(f"{refused['cycle']} more are in a circle of tasks that await each other: cancel() fails there.\n")
    if refused["limit"]:
        lines.append(f"{refused['limit']} more match; --limit takes more at once.\n")
    return lines


def _line(group: list[LivePicture]) -> str:
    first = group[0]
    verdict = f", {first.verdict}" if first.verdict else ""
    return f"{len(group)} [{first.wait_reason}{verdict}] created by {first.site.function} {position_text(first.site)}\n"


def _outcome(facts: dict[str, Any]) -> list[str]:
    lines = [f"Cancelled {facts['asked']}: {facts['ended']} ended.\n"]
    if facts["swallowed"]:
        lines.append(f"{facts['swallowed']} swallowed the cancellation or still clean up.\n")
    if facts["not_running"]:
        lines.append(f"{facts['not_running']} belong to an event loop that does not run, and can't be cancelled.\n")
    return lines


def _confirm(count: int, source: Source) -> None:
    """Ask.

    Raises:
        UsageError: If nobody can answer.
        CommandError: If the answer is no.
    """
    if not sys.stdin.isatty():
        raise UsageError("Cancelling asks first, and there is no terminal to ask: give --yes, or see with --dry-run.")
    sys.stderr.write(f"Cancel {'it' if count == 1 else f'these {count} tasks'} in process {source.label}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was cancelled.")
