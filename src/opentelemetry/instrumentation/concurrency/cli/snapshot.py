"""``snapshot``: writes all tasks and threads of a process as JSON, to a file that only its owner can read."""

from __future__ import annotations

import argparse
from typing import Final

from ..snapshot.as_json import write_snapshot
from .failures import FINE
from .files import write_answer, write_file
from .sources import ProcessSource, add_target, one_source

NAME: Final = "snapshot"
HELP: Final = "write all tasks and threads of a process as JSON (mode 0600)"
EXAMPLES: Final = """otel-concurrency snapshot 4711 -o before.json
otel-concurrency diff before.json 4711
otel-concurrency snapshot 4711 | jq .totals"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, many=False)
    parser.add_argument("-o", dest="file", metavar="FILE", default="-", help="output file (default standard output)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    source = one_source(arguments)
    if isinstance(source, ProcessSource):
        write_answer(arguments.file, source.ask("snapshot").body)
    else:
        taken = source.take()
        write_file(arguments.file, lambda stream: write_snapshot(taken.snapshot, stream, process=taken.process))
    return FINE
