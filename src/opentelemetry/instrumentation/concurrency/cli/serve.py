"""``serve``: serves the debug pages of a process on loopback, through its agent, without a port in the process."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from ..agent.answer_shapes import ENDED_BADLY, EXECUTORS, GENERATORS, LIVING
from ..render.full_text import full_text
from ..render.grouped_text import grouped_text
from ..render.pprof_profile import difference, pprof_profile, samples_of
from ..serve.overview import Facts, Selection, chosen_of, overview, snapshot_of
from ..settings import Settings
from ..snapshot.as_json import write_snapshot
from ..snapshot.output import write_bytes, write_text
from .failures import FINE, CommandError, UsageError
from .silent_loop_lines import silent_loops_of
from .site_cells import site_key
from .sources import ProcessSource, add_target, one_source
from .taken import Counted, Taken, counted, taken_from
from .terminal import say

NAME: Final = "serve"
HELP: Final = "serve the debug pages of a process on this machine, through its agent, and open the live page"
EXAMPLES: Final = """otel-concurrency serve 4711
otel-concurrency serve 4711 --address 127.0.0.1:7070
go tool pprof -http=: http://127.0.0.1:6080/debug/pprof/task"""

_MIN_DIFFERENCE_S: Final = 0.001


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    without_url = "A debug endpoint is served already: open its address in a browser, or give a PID on this machine."
    add_target(parser, many=False, without_url=without_url, usual_timeout="1m")
    parser.add_argument(
        "--address",
        default="127.0.0.1:6080",
        metavar="HOST:PORT",
        help="loopback or unix:/path (default 127.0.0.1:6080)",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the live page in a browser")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    try:
        from ..serve.http import DebugServer
    except ImportError:
        message = "This installation does not contain the debug pages."
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
        message = f"The address {arguments.address} could not be opened: give another --address."
        raise CommandError(message)
    page = server.address.replace("/debug/pprof/", "/debug/concurrency/")
    say(f"The live page of process {source.label} is at {page} until Ctrl-C; profiles are at /debug/pprof/.")
    if page.startswith("http") and not arguments.no_browser:
        open_in_browser(page)
    try:
        signal.pause()
    finally:
        server.close()
    return FINE


def open_in_browser(page: str) -> bool:
    """Open a page in a graphical browser of this machine, if there is one.

    Browsers of the terminal would take its place, and over SSH the page would open on the wrong machine.
    """
    has_display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not has_display or os.environ.get("SSH_CONNECTION"):
        return False
    import webbrowser

    try:
        return webbrowser.open(page)
    except (OSError, webbrowser.Error):
        # No browser can be started: the address was printed.
        return False


def page_facts(taken_at: float, process: dict[str, Any], stats: dict[str, Any]) -> Facts:
    """Return the facts of the live page from an agent's answer to ``stats``."""
    sites = {site_key(site): site for site in stats.get("sites", ())}
    endings = {key: (site.get("destroyed", 0), site.get("unretrieved", 0)) for key, site in sites.items()}
    return Facts(
        taken_at,
        {**process, "scan_age_s": stats.get("scan_age_s")},
        created={key: site["created"] for key, site in sites.items()},
        growing={key for key, site in sites.items() if site.get("suspect")},
        delays_s=stats.get("delays", {}),
        ended_badly={key: numbers for key, numbers in endings.items() if any(numbers)},
        memory={key: site["memory"] for key, site in sites.items() if site.get("memory") is not None},
        impacts={key: site["impact"] for key, site in sites.items() if site.get("impact")},
        silent_loops=silent_loops_of(stats),
        executors=stats.get("executors", []),
        generators_left=stats.get("generators_left", []),
        never_awaited=stats.get("never_awaited", []),
        left_out=_left_out(stats.get("left_out") or {}),
    )


def _left_out(counts: Mapping[str, int]) -> dict[str, int]:
    """Return what an agent's lists have no room for, by the names that the page reads."""
    return {
        "sites": counts.get(ENDED_BADLY, 0),
        "site_numbers": counts.get(LIVING, 0),
        "executors": counts.get(EXECUTORS, 0),
        "generators_left": counts.get(GENERATORS, 0),
    }


def _is_local(address: str) -> bool:
    from ..setting_values import is_loopback, split_address

    if address.startswith("unix:/"):
        return True
    split = split_address(address)
    return split is not None and is_loopback(split[0])


class AgentPages:
    """The content of the pages, requested from an agent.

    Args:
        source: The process.
    """

    def __init__(self, source: ProcessSource) -> None:
        self._source = source

    def counts(self) -> Mapping[str, int]:
        """Return the number of entries per profile; -1 if counting would be expensive."""
        facts = self._source.ask("hello").facts
        counts = {kind: facts.get(f"{kind}s") for kind in ("task", "thread")}
        return {**{kind: -1 if count is None else count for kind, count in counts.items()}, "taskleak": -1}

    def write_profile(self, name: str, stream: Any, debug: int) -> None:
        """Write a profile, as the public ``write_profile`` does."""
        if debug == 2:
            taken = self._leaks() if name == "taskleak" else self._source.take()
            write_text(full_text(taken.snapshot.threads if name == "thread" else taken.snapshot.tasks), stream)
        elif debug == 1:
            write_text(grouped_text(name, self._count(name).counts), stream)
        else:
            found = self._count(name, split_loops=True)
            samples = samples_of(found.counts)
            write_bytes(pprof_profile(name, samples, taken_at=found.taken_at, process=found.process), stream)

    def write_difference(self, name: str, stream: Any, seconds: float) -> None:
        """Write the difference of a profile over some seconds, as gzip protobuf."""
        before = self._count(name, split_loops=True)
        time.sleep(max(_MIN_DIFFERENCE_S, seconds))
        after = self._count(name, split_loops=True)
        samples = difference(before.counts, after.counts)
        pieces = pprof_profile(
            name, samples, taken_at=after.taken_at, process=after.process, duration_s=after.taken_at - before.taken_at
        )
        write_bytes(pieces, stream)

    def write_snapshot(self, stream: Any) -> None:
        """Write the JSON snapshot."""
        stream.write(self._source.ask("snapshot").body)

    def write_overview(self, stream: Any) -> None:
        """Write the data of the live page as JSON."""
        tasks, threads = self._source.count("task"), self._source.count("thread")
        process = {
            "process_id": tasks.process.process_id,
            "python_version": tasks.process.python_version,
            "service_name": tasks.process.service_name,
            "instrumentation_version": tasks.process.instrumentation_version,
            "uptime_s": self._source.ask("hello").facts["uptime_s"],
            "scan_age_s": None,
        }
        facts = page_facts(tasks.taken_at, process, self._source.ask("stats").facts)
        document = overview([*tasks.counts, *threads.counts], facts)
        write_text([json.dumps(document, separators=(",", ":"))], stream)

    def write_selection(self, stream: Any, selection: Selection) -> None:
        """Write the JSON snapshot of the selected tasks or threads."""
        taken = self._source.take()
        found = taken.snapshot.threads if selection.kind == "thread" else taken.snapshot.tasks
        chosen = chosen_of(found, selection)
        picture = snapshot_of(chosen.pictures, taken.snapshot)
        write_snapshot(picture, stream, process=taken.process, left_out=chosen.left_out)

    def _count(self, name: str, *, split_loops: bool = False) -> Counted:
        if name == "taskleak":
            return counted(self._leaks(), name, split_loops=split_loops)
        return self._source.count(name, split_loops=split_loops)

    def _leaks(self) -> Taken:
        return taken_from(self._source.ask("leaks").body, f"process {self._source.label}")
