"""``snapshot``: everything a process runs, as JSON, in a file that only this user reads."""

from __future__ import annotations

import argparse
from typing import Final

from ..render.snapshot_json import write_snapshot
from .failures import FINE
from .files import write_file
from .sources import ProcessSource, add_target, one_source

NAME: Final = "snapshot"
HELP: Final = "write everything a process runs as JSON (mode 0600)"
EXAMPLES: Final = """otel-concurrency snapshot 4711 -o before.json
otel-concurrency diff before.json 4711
otel-concurrency snapshot 4711 | jq .totals"""
TAKES_FILE: Final = True


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, many=False)
    parser.add_argument("-o", dest="file", metavar="FILE", default="-", help="where to (default standard output)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    source = one_source(arguments)
    if isinstance(source, ProcessSource):
        body = source.ask("snapshot").body
        write_file(arguments.file, lambda stream: stream.write(body))
    else:
        taken = source.take()
        write_file(arguments.file, lambda stream: write_snapshot(taken.snapshot, stream, process=taken.process))
    return FINE
