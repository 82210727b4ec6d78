"""``cancel``: lists the matching tasks, asks for confirmation, cancels them and reports the outcome."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from ..render.name_text import sanitize_name
from ..render.place_text import created_by, position_text
from ..snapshot.values import LivePicture
from .failures import FINE, CommandError, UsageError
from .filters import SITE_HELP
from .json_forms import pictures_json
from .leaks import groups_of
from .quantities import seconds
from .sources import Source, add_target, one_source
from .taken import Taken, taken_from
from .terminal import emit, emit_json, say

NAME: Final = "cancel"
HELP: Final = "cancel tasks of a site; requires OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=true in the process"
EXAMPLES: Final = """otel-concurrency cancel 4711 --site shop.search.query --dry-run
otel-concurrency cancel 4711 --site 'shop.*' --verdict unwakeable --limit 1000
otel-concurrency cancel 4711 --site shop.search.query --yes"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, many=False)
    parser.add_argument("--site", metavar="GLOB", required=True, help=f"tasks of a site: {SITE_HELP}")
    parser.add_argument("--verdict", choices=("orphaned", "unwakeable"), help="only tasks with this verdict")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="maximum number of tasks (default 100)")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be cancelled")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--wait", metavar="DURATION", default="5s", help="how long to wait for their end (default 5s)")


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
        # The agent refuses and explains what to do.
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
        lines.append("No matching task can be cancelled.\n")
    if refused["cycle"]:
        lines.append(f"{refused['cycle']} matching tasks are in an await cycle, where cancel() fails.\n")
    if refused["limit"]:
        lines.append(f"{refused['limit']} more tasks match; raise --limit to include them.\n")
    return lines


def _line(group: list[LivePicture]) -> str:
    first = group[0]
    verdict = f", {first.verdict}" if first.verdict else ""
    site = first.site
    runs = f", runs {sanitize_name(site.runs)}" if site.runs else ""
    where = f"{created_by(site)} {position_text(site)}".rstrip()
    return f"{len(group)} [{first.wait_reason}{verdict}] {where}{runs}\n"


def _outcome(facts: dict[str, Any]) -> list[str]:
    lines = [f"Cancelled {facts.get('asked', 0)}: {facts.get('ended', 0)} ended.\n"]
    if facts.get("swallowed"):
        lines.append(f"{facts['swallowed']} suppressed the cancellation or are still cleaning up.\n")
    if facts.get("not_running"):
        lines.append(f"{facts['not_running']} belong to an event loop that is not running, and can't be cancelled.\n")
    return lines


def _confirm(count: int, source: Source) -> None:
    """Ask for confirmation.

    Raises:
        UsageError: If there is no terminal to ask on.
        CommandError: If the answer is no.
    """
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal for the confirmation: give --yes, or preview with --dry-run.")
    say(f"Cancel {'it' if count == 1 else f'these {count} tasks'} in process {source.label}? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was cancelled.")
