"""``diff``: what grew between two snapshots, or between a snapshot and now, by creation site."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Final

from ..render.difference import SiteChange, changes_by_site, changes_text
from .failures import FINE, LEAKS_FOUND, CommandError, UsageError
from .sources import ProcessSource, Taken, UrlSource, process_of, seconds, taken_from
from .terminal import emit, emit_json

NAME: Final = "diff"
HELP: Final = "what grew between two snapshots (files, PIDs or URLs); exit code 1 when something leaks"
EXAMPLES: Final = "otel-concurrency diff before.json after.json\notel-concurrency diff before.json 4711"

_MAX_FILE_BYTES: Final = 4 << 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("before", metavar="A", help="the earlier: a snapshot file, a PID or a URL")
    parser.add_argument("after", metavar="B", help="the later")
    parser.add_argument(
        "--min", type=int, default=20, metavar="N", help="a line that grew by so many is a leak (default 20)"
    )
    parser.add_argument("--timeout", metavar="DURATION", help="how long to wait for an answer (default 10s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    timeout_s = seconds(arguments.timeout) if arguments.timeout else 10.0
    before, after = _taken(arguments.before, timeout_s), _taken(arguments.after, timeout_s)
    changes = changes_by_site(before.snapshot, after.snapshot)
    if arguments.output == "json":
        emit_json([{**asdict(change), "change": change.change} for change in changes])
    else:
        emit(changes_text(changes))
    return LEAKS_FOUND if any(_leaks(change, arguments.min) for change in changes) else FINE


def _leaks(change: SiteChange, minimum: int) -> bool:
    return change.orphans_after > change.orphans_before or change.change >= minimum


def _taken(name: str, timeout_s: float) -> Taken:
    if name.startswith(("http://", "https://")):
        return UrlSource(name, timeout_s).take()
    path = Path(name)
    if not path.exists() and name.isascii() and name.isdigit():
        return ProcessSource(process_of(int(name)), timeout_s).take()
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            message = f"{name} is larger than {_MAX_FILE_BYTES >> 30} GB: expected a snapshot."
            raise UsageError(message)
        return taken_from(path.read_bytes(), name)
    except OSError as error:
        message = f"{name} can't be read ({error.strerror}): expected a snapshot file, a PID or a URL."
        raise CommandError(message) from None
