"""``cancel``: lists the matching tasks, asks for confirmation, cancels them and reports the outcome."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any, Final

from ..render.name_text import sanitize_name
from ..snapshot.values import LivePicture
from .failures import FINE, LEAKS_FOUND, CommandError, UsageError
from .filters import SITE_HELP
from .fitting import place_lines, terminal_width
from .json_forms import pictures_json
from .leak_blocks import creator_lines
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
FORMS: Final = ("table", "json")

_OFF: Final = (
    "Cancelling is off in this process: restart it with OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=true to turn it on.\n"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    without_url = "Debug endpoints are read-only: run cancel on the machine of the process, with its PID."
    add_target(parser, many=False, without_url=without_url, usual_timeout="10s in addition to --wait")
    parser.add_argument("--site", metavar="GLOB", required=True, help=f"tasks of a site: {SITE_HELP}")
    parser.add_argument("--verdict", choices=("orphaned", "unwakeable"), help="only tasks with this verdict")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="maximum number of tasks (default 100)")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be cancelled")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--wait", metavar="DURATION", default="5s", help="how long to wait for their end (default 5s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    wait_s = seconds(arguments.wait, "--wait")
    source = one_source(arguments, usual_timeout_s=10.0 + wait_s)
    order = {"site": arguments.site, "verdict": arguments.verdict or "", "limit": arguments.limit, "wait_s": wait_s}
    taken, facts = _asked(source, {**order, "dry_run": True})
    as_json = arguments.output == "json"
    if arguments.dry_run or not taken.snapshot.tasks:
        return _finish(taken, facts, as_json=as_json, dry_run=arguments.dry_run)
    if not facts["allowed"]:
        # The agent refuses and explains what to do: exit code 3.
        source.ask("cancel", **order, serials=[])
    if not as_json:
        emit(_matching(taken, facts))
    if not arguments.yes:
        _confirm(len(taken.snapshot.tasks), source)
    serials = [picture.serial for picture in taken.snapshot.tasks]
    taken, facts = _asked(source, {**order, "serials": serials})
    if not as_json:
        emit(_outcome(facts, _left(source, order, serials) if facts.get("swallowed") else []))
        return _exit_code(facts)
    return _finish(taken, facts, as_json=True)


def _left(source: Source, order: dict[str, Any], serials: list[int]) -> list[list[LivePicture]]:
    """Return the tasks that did not end, in groups."""
    taken, _ = _asked(source, {**order, "serials": serials, "dry_run": True})
    return groups_of(taken.snapshot.tasks)


def _exit_code(facts: dict[str, Any]) -> int:
    """Return 1 if matching tasks are left: after a cancellation, or because none of them can be cancelled."""
    left = facts.get("swallowed") or facts.get("not_running") or facts["refused"]["cycle"]
    return LEAKS_FOUND if left else FINE


def _asked(source: Source, order: dict[str, Any]) -> tuple[Taken, dict[str, Any]]:
    answer = source.ask("cancel", **order)
    return taken_from(answer.body, f"process {source.label}"), answer.facts


def _finish(taken: Taken, facts: dict[str, Any], *, as_json: bool, dry_run: bool = False) -> int:
    if as_json:
        emit_json({**pictures_json(taken, taken.snapshot.tasks), **facts})
    else:
        emit(_matching(taken, facts))
    return FINE if dry_run else _exit_code(facts)


def _matching(taken: Taken, facts: dict[str, Any]) -> list[str]:
    lines = [] if facts["allowed"] else [_OFF]
    lines += _lines(groups_of(taken.snapshot.tasks))
    refused = facts["refused"]
    if not taken.snapshot.tasks:
        lines.append("No matching task can be cancelled.\n")
    if refused["cycle"]:
        count = refused["cycle"]
        verb = "task is" if count == 1 else "tasks are"
        lines.append(f"{count} matching {verb} in an await cycle, where cancel() fails.\n")
    if refused["limit"]:
        count = refused["limit"]
        matches = "task matches" if count == 1 else "tasks match"
        lines.append(f"{count} more {matches}; raise --limit to include {'it' if count == 1 else 'them'}.\n")
    return lines


def _lines(groups: list[list[LivePicture]]) -> list[str]:
    return [line for group in groups for line in _group_lines(group)]


def _group_lines(group: list[LivePicture]) -> Iterator[str]:
    first = group[0]
    site = first.site
    state = f"[{first.wait_reason}{f', {first.verdict}' if first.verdict else ''}]"
    head = f"{len(group)} task{'' if len(group) == 1 else 's'} {state} "
    yield from creator_lines(head, site, terminal_width())
    if site.runs:
        yield from place_lines("  runs ", sanitize_name(site.runs), "", terminal_width())


def _outcome(facts: dict[str, Any], left: list[list[LivePicture]]) -> list[str]:
    lines = [f"Cancelled {facts.get('asked', 0)}: {facts.get('ended', 0)} ended.\n"]
    if facts.get("swallowed"):
        lines.append(f"{facts['swallowed']} suppressed the cancellation or are still cleaning up:\n")
        lines += _lines(left)
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
