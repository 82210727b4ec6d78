"""``top``: a live full-screen table of sites with their stacks; requires the extra ``cli``."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from .failures import FINE, CommandError, UsageError
from .quantities import seconds
from .sources import ProcessSource, add_target, one_source

NAME: Final = "top"
HELP: Final = "watch the sites of a process live, full-screen (requires the extra cli)"
EXAMPLES: Final = """otel-concurrency top 4711
otel-concurrency top 4711 --interval 500ms
keys: s sort, r reverse, / filter, Enter stacks of a site, Escape back, p pause, q quit"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, many=False, with_url=False)
    parser.add_argument("--interval", metavar="DURATION", default="2s", help="refresh interval (default 2s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    interval_s = seconds(arguments.interval)
    source = one_source(arguments)
    if not isinstance(source, ProcessSource):
        raise UsageError("top needs an agent: give a PID on this machine, or use otel-concurrency stack --url.")
    try:
        from .top_app import TopApp
    except ImportError:
        message = (
            "top needs the extra cli: pip install 'opentelemetry-instrumentation-concurrency[cli]'. Without it: "
            f"otel-concurrency stats {source.label} --watch 2s"
        )
        raise CommandError(message) from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        message = f"top needs a terminal; in a pipe: otel-concurrency stats {source.label} --watch 2s"
        raise UsageError(message)
    source.ask("hello")
    app = TopApp(source, interval_s)
    app.run()
    if app.failure:
        raise CommandError(app.failure)
    return FINE
