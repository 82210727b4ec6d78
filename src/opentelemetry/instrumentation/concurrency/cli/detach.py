"""``detach``: removes the instrumentation that ``attach`` has turned on (Python 3.14 or newer)."""

from __future__ import annotations

import argparse
from typing import Final

from .failures import FINE
from .quantities import seconds
from .remote_script import call_in_process
from .sources import one_process
from .terminal import emit, emit_json

NAME: Final = "detach"
HELP: Final = "remove the instrumentation that attach has turned on (Python 3.14 or newer)"
EXAMPLES: Final = "otel-concurrency detach 4711"
FORMS: Final = ("table", "json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("target", metavar="PID", help="the process")
    parser.add_argument("--timeout", metavar="DURATION", default="10s", help="how long to wait (default 10s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    process = one_process(arguments.target, "detach")
    failure = f"The instrumentation of process {process.process_id} was not removed"
    call_in_process(process, "detach_here", failure=failure, timeout_s=seconds(arguments.timeout, "--timeout"))
    if arguments.output == "json":
        emit_json({"pid": process.process_id, "detached": True})
    else:
        emit([f"Detached from process {process.process_id}: it runs without the instrumentation.\n"])
    return FINE
