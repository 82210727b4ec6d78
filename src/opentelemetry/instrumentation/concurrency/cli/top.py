"""``top``: a live full-screen table of sites with their stacks; requires the extra ``cli``."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from .failures import FINE, CommandError, UsageError
from .quantities import seconds
from .sources import add_target, one_source

NAME: Final = "top"
HELP: Final = "watch the sites of a process live, full-screen (requires the extra cli)"
EXAMPLES: Final = """otel-concurrency top 4711
otel-concurrency top 4711 --interval 500ms
keys: s sort, r reverse, / filter, Enter stacks of a site, Escape back, p pause, q quit"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, many=False)
    parser.add_argument("--interval", metavar="DURATION", default="2s", help="refresh interval (default 2s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    interval_s = seconds(arguments.interval, "--interval")
    source = one_source(arguments)
    target = f"--url {arguments.url}" if arguments.url else source.label
    in_a_pipe = f"otel-concurrency stats {target} --watch 2s"
    try:
        from .top_app import TopApp
    except ImportError:
        message = (
            "top needs the extra cli: pip install 'opentelemetry-instrumentation-concurrency[cli]'. "
            f"Without it: {in_a_pipe}"
        )
        raise UsageError(message) from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        message = f"top needs a terminal; in a pipe: {in_a_pipe}"
        raise UsageError(message)
    source.ask("hello")
    app = TopApp(source, interval_s)
    app.run()
    if app.failure:
        raise CommandError(app.failure)
    return FINE
