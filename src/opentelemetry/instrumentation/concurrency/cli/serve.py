"""``serve``: the debug pages of a process on loopback, through its agent: production needs no listening port."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Mapping
from typing import Any, Final

from ..render.full_text import full_text
from ..render.grouped_text import grouped_text
from ..render.output import write_bytes, write_text
from ..render.pprof_profile import difference, pprof_profile, samples_of
from ..render.tally import Tally, tally
from ..settings import Settings
from .failures import FINE, CommandError, UsageError
from .sources import ProcessSource, Taken, add_target, one_source, taken_from
from .terminal import say

NAME: Final = "serve"
HELP: Final = "serve the debug pages of a process on this machine, through its agent"
EXAMPLES: Final = """otel-concurrency serve 4711
otel-concurrency serve 4711 --address 127.0.0.1:7070
go tool pprof -http=: http://127.0.0.1:6080/debug/pprof/task"""

_MIN_DIFFERENCE_S: Final = 0.001


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser, many=False)
    parser.add_argument(
        "--address",
        default="127.0.0.1:6080",
        metavar="HOST:PORT",
        help="loopback or unix:/path (default 127.0.0.1:6080)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    try:
        from ..serve.http import DebugServer
    except ImportError:
        message = "This installation has no debug pages."
        raise CommandError(message) from None
    source = one_source(arguments, usual_timeout_s=60.0)
    if not isinstance(source, ProcessSource):
        raise UsageError("A debug endpoint is served already: open its address in a browser.")
    if not _is_local(arguments.address):
        message = f"--address {arguments.address!r}: expected 127.0.0.1:port, localhost:port, [::1]:port or unix:/path."
        raise UsageError(message)
    source.ask("announce", action="serve", address=arguments.address)
    server = DebugServer(Settings(debug_address=arguments.address), AgentPages(source))
    server.open()
    if not server.address:
        message = f"{arguments.address} could not be opened: give another --address."
        raise CommandError(message)
    say(f"The pages of process {source.label} are at {server.address} until Ctrl-C.")
    try:
        signal.pause()
    finally:
        server.close()
    return FINE


def _is_local(address: str) -> bool:
    from ..setting_values import is_loopback, split_address

    if address.startswith("unix:/"):
        return True
    split = split_address(address)
    return split is not None and is_loopback(split[0])


class AgentPages:
    """What the pages show, asked from an agent.

    Args:
        source: The process.
    """

    def __init__(self, source: ProcessSource) -> None:
        self._source = source

    def counts(self) -> Mapping[str, int]:
        """Return how many entries each profile has; -1 where counting would be dear."""
        facts = self._source.ask("hello").facts
        return {"task": facts["tasks"], "thread": facts["threads"], "taskleak": -1}

    def write_profile(self, name: str, stream: Any, debug: int) -> None:
        """Write a profile, as the public ``write_profile`` does."""
        taken = self._take(name)
        pictures = _pictures(taken, name)
        if debug == 2:
            write_text(full_text(pictures), stream)
        elif debug == 1:
            write_text(grouped_text(name, tally(pictures)), stream)
        else:
            samples = samples_of(tally(pictures, split_loops=True))
            at = taken.snapshot.taken_at
            write_bytes(pprof_profile(name, samples, taken_at=at, process=taken.process), stream)

    def write_difference(self, name: str, stream: Any, seconds: float) -> None:
        """Write what a profile gained and lost in so many seconds, as gzip protobuf."""
        before = self._tallies(self._take(name), name)
        time.sleep(max(_MIN_DIFFERENCE_S, seconds))
        taken = self._take(name)
        samples = difference(before, self._tallies(taken, name))
        at = taken.snapshot.taken_at
        write_bytes(pprof_profile(name, samples, taken_at=at, process=taken.process, duration_s=seconds), stream)

    def write_snapshot(self, stream: Any) -> None:
        """Write the JSON snapshot."""
        stream.write(self._source.ask("snapshot").body)

    def _take(self, name: str) -> Taken:
        if name == "taskleak":
            return taken_from(self._source.ask("leaks").body, f"process {self._source.label}")
        return self._source.take()

    def _tallies(self, taken: Taken, name: str) -> list[Tally]:
        return tally(_pictures(taken, name), split_loops=True)


def _pictures(taken: Taken, name: str) -> Any:
    return taken.snapshot.threads if name == "thread" else taken.snapshot.tasks
