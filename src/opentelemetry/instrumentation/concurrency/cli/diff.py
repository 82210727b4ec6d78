"""``diff``: changes between two snapshots, or between a snapshot and now, by creation site."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from ..render.difference import SiteChange, changes_by_site, changes_text, columns_of
from .connection import MAX_ANSWER_BYTES
from .endpoint import UrlSource
from .failures import FINE, LEAKS_FOUND, CommandError, UsageError
from .processes import process_number
from .quantities import seconds, size
from .site_cells import SITE_COLUMNS, site_cells
from .sources import ProcessSource, process_of
from .tables import Column, number, table
from .taken import Taken, taken_from
from .terminal import emit, emit_json

NAME: Final = "diff"
HELP: Final = "show what changed between two snapshots (files, PIDs or URLs); exit code 1 if there are leaks"
EXAMPLES: Final = "otel-concurrency diff before.json after.json\notel-concurrency diff before.json 4711"
FORMS: Final = ("table", "wide", "json")
HAS_HEADINGS: Final = True
REPEATS: Final = True

_COLUMNS: Final = (
    Column("KIND", rank=5),
    number("CHANGE"),
    number("BEFORE", rank=1),
    number("AFTER", rank=1),
    number("ORPHANS", rank=1),
    *SITE_COLUMNS,
)
_MAX_FILE_BYTES: Final = 4 << 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("before", metavar="A", help="earlier state: a snapshot file, a PID or a URL")
    parser.add_argument("after", metavar="B", help="later state")
    parser.add_argument(
        "--min", type=int, default=20, metavar="N", help="growth of a site that counts as a leak (default 20)"
    )
    parser.add_argument("--timeout", metavar="DURATION", help="how long to wait for an answer (default 10s)")
    parser.add_argument("--max-answer", metavar="SIZE", help="maximum size of an answer, such as 1GB (default 64MB)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    timeout_s = seconds(arguments.timeout, "--timeout") if arguments.timeout else 10.0
    max_bytes = size(arguments.max_answer, "--max-answer") if arguments.max_answer else MAX_ANSWER_BYTES
    before, after = (_taken(name, timeout_s, max_bytes) for name in (arguments.before, arguments.after))
    changes = changes_by_site(before.snapshot, after.snapshot)
    if arguments.output == "json":
        emit_json([{**asdict(change), "change": change.change} for change in changes])
    else:
        emit(_lines(arguments, changes))
    return LEAKS_FOUND if any(_leaks(change, arguments.min) for change in changes) else FINE


def _lines(arguments: argparse.Namespace, changes: Sequence[SiteChange]) -> Iterable[str]:
    if not changes:
        return changes_text(changes)
    rows = ((*columns_of(change), *site_cells(change.site)) for change in changes)
    return table(_COLUMNS, rows, wide=arguments.output == "wide", with_headings=not arguments.no_headers)


def _leaks(change: SiteChange, minimum: int) -> bool:
    return change.orphans_after > change.orphans_before or change.change >= minimum


def _taken(name: str, timeout_s: float, max_bytes: int) -> Taken:
    if name.startswith(("http://", "https://")):
        return UrlSource(name, timeout_s, max_bytes).take()
    path = Path(name)
    process_id = process_number(name)
    if process_id is not None and not path.exists():
        return ProcessSource(process_of(process_id), timeout_s, max_bytes).take()
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MAX_FILE_BYTES else b""
    except (OSError, ValueError) as error:
        # ValueError: a name that the file system cannot encode.
        reason = getattr(error, "strerror", None) or error
        message = f"{name} can't be read ({reason}): expected a snapshot file, a PID or a URL."
        raise CommandError(message) from None
    if size > _MAX_FILE_BYTES:
        message = f"{name} is larger than {_MAX_FILE_BYTES >> 30} GB: expected a snapshot."
        raise UsageError(message)
    return taken_from(content, name)
