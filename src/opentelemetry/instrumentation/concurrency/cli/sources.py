"""From targets to what can be asked: a process, it and its children, a glob, all of them, or a debug endpoint."""

from __future__ import annotations

import argparse
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from ..agent.counted import read_counted
from ..agent.places import directories, parse_socket_name
from ..census.snapshot import Snapshot
from ..render.process_info import ProcessInfo
from ..render.snapshot_json import read_process_info, read_snapshot
from ..render.tally import Tally, tally
from .connection import DIRECTORY_VARIABLE, Answer, ask, has_agent
from .failures import CommandError, NotInstrumentedError, UsageError
from .processes import Process, has_proc, python_processes, read_process
from .terminal import progress

_SNAPSHOT_PATH: Final = "/debug/concurrency/snapshot.json"


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot and which process it shows."""

    snapshot: Snapshot
    process: ProcessInfo


@dataclass(frozen=True, slots=True)
class Counted:
    """Living tasks or threads counted by what they share, when, and in which process."""

    counts: list[Tally]
    taken_at: float
    process: ProcessInfo


@dataclass(frozen=True, slots=True)
class ProcessSource:
    """A process with an agent."""

    process: Process
    timeout_s: float

    @property
    def label(self) -> str:
        """What the source is called in a column."""
        return str(self.process.process_id)

    def ask(self, request: str, **options: Any) -> Answer:
        """Ask its agent.

        Raises:
            CommandError: If it can't be reached, refuses or does not answer in time.
        """
        with progress(f"Asking process {self.label}") as shown_progress:
            return ask(self.process, request, options, timeout_s=self.timeout_s, on_wait=shown_progress)

    def count(self, kind: str, *, split_loops: bool = False) -> Counted:
        """Count ``task`` or ``thread`` by what they share.

        Raises:
            CommandError: As `ask`.
        """
        answer = self.ask("counted", kind=kind, split_loops=split_loops)
        try:
            counts = read_counted(answer.body)
            return Counted(counts, float(answer.facts["taken_at"]), ProcessInfo(**answer.facts["process"]))
        except (ValueError, KeyError, TypeError) as error:
            message = f"process {self.label}: {error}"
            raise CommandError(message) from None

    def take(self) -> Taken:
        """Take a snapshot.

        Raises:
            CommandError: As `ask`.
        """
        return taken_from(self.ask("snapshot").body, f"process {self.label}")


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A process behind its debug endpoint."""

    url: str
    timeout_s: float

    @property
    def label(self) -> str:
        """What the source is called in a column."""
        return self.url.partition("://")[2].partition("/")[0]

    def ask(self, request: str, **_options: Any) -> Answer:
        """Say that this needs an agent.

        Raises:
            UsageError: Always.
        """
        message = f"A debug endpoint does not answer {request!r}; only the agent on the machine does: give a PID there."
        raise UsageError(message)

    def count(self, kind: str, *, split_loops: bool = False) -> Counted:
        """Count ``task`` or ``thread`` by what they share.

        Raises:
            CommandError: If the snapshot can't be had.
        """
        return counted(self.take(), kind, split_loops=split_loops)

    def take(self) -> Taken:
        """Fetch the snapshot.

        Raises:
            CommandError: If it can't be had.
        """
        url = self.url.rstrip("/")
        url = url if url.endswith(".json") else url.removesuffix("/debug/concurrency") + _SNAPSHOT_PATH
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 (checked before)
        token = os.environ.get("OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310
                body = response.read()
        except urllib.error.HTTPError as error:
            hint = " Set OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN to its token." if error.code in (401, 403) else ""
            message = f"{url} answered {error.code} {error.reason}.{hint} Is it the debug endpoint of this package?"
            raise CommandError(message) from None
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "reason", error)
            message = (
                f"{url} can't be reached ({reason}). The debug endpoint is there only where the process was started "
                "with OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS set."
            )
            raise CommandError(message) from None
        return taken_from(body, url)


Source = ProcessSource | UrlSource


def counted(taken: Taken, kind: str, *, split_loops: bool = False) -> Counted:
    """Count what a snapshot holds; ``taskleak`` is the tasks with a verdict."""
    pictures = taken.snapshot.threads if kind == "thread" else taken.snapshot.tasks
    chosen = [one for one in pictures if kind != "taskleak" or one.verdict is not None]
    return Counted(tally(chosen, split_loops=split_loops), taken.snapshot.taken_at, taken.process)


def taken_from(body: bytes, where: str) -> Taken:
    """Return the snapshot in a JSON text.

    Raises:
        CommandError: If there is none in it.
    """
    try:
        return Taken(read_snapshot(body), read_process_info(body))
    except ValueError as error:
        message = f"{where}: {error}"
        raise CommandError(message) from None


def add_target(parser: argparse.ArgumentParser, *, many: bool = True) -> None:
    """Add the argument that names a target, and how to reach it."""
    help_text = "PID, PID+ (with its children), a glob on the command, or all" if many else "PID"
    parser.add_argument("target", nargs="?", metavar="TARGET", help=help_text)
    parser.add_argument("--url", help="a debug endpoint instead, such as http://127.0.0.1:6080")
    parser.add_argument("--timeout", metavar="DURATION", help="how long to wait for an answer (default 10s)")


def sources(arguments: argparse.Namespace, *, usual_timeout_s: float = 10.0) -> list[Source]:
    """Return what the arguments name, at least one; several only with an agent each.

    Raises:
        UsageError: If they name nothing or too much.
        CommandError: If there is no such process.
    """
    timeout_s = seconds(arguments.timeout) if arguments.timeout else usual_timeout_s
    if arguments.url:
        if arguments.target:
            raise UsageError("Give a target or --url, not both.")
        if not arguments.url.startswith(("http://", "https://")):
            message = f"--url {arguments.url!r}: expected http://host:port or https://host:port."
            raise UsageError(message)
        return [UrlSource(arguments.url, timeout_s)]
    if not arguments.target:
        raise UsageError(
            "Which process? Give a PID, PID+, a glob on the command, or all; otel-concurrency ps lists them."
        )
    return [ProcessSource(process, timeout_s) for process in named_processes(arguments.target)]


def one_source(arguments: argparse.Namespace, *, usual_timeout_s: float = 10.0) -> Source:
    """Return the one source that the arguments name.

    Raises:
        UsageError: If they name more.
        CommandError: If there is no such process.
    """
    found = sources(arguments, usual_timeout_s=usual_timeout_s)
    if len(found) > 1:
        numbers = ", ".join(source.label for source in found[:8])
        message = f"{arguments.target!r} names {len(found)} processes ({numbers}); this command takes one."
        raise UsageError(message)
    return found[0]


def named_processes(target: str) -> list[Process]:
    """Return the processes that a target names, those with an agent where it names several.

    Raises:
        UsageError: If it can't be understood.
        CommandError: If there is none.
    """
    number = target.removesuffix("+")
    if number.isascii() and number.isdigit():
        process = process_of(int(number))
        if target == number:
            return [process]
        family = [process, *_descendants(process.process_id)]
        found = [each for each in family if has_agent(each)]
        if not found:
            message = (
                f"Neither process {number} nor any of its children has an agent. Next: otel-concurrency doctor {number}"
            )
            raise NotInstrumentedError(message)
        return found
    if target.startswith("-"):
        message = f"{target!r} is no target: give a PID, PID+, a glob on the command, or all."
        raise UsageError(message)
    glob = "*" if target == "all" else target if any(each in target for each in "*?[") else f"*{target}*"
    candidates = [one for one in agents_or_python() if fnmatchcase(one.command, glob) and one.process_id != os.getpid()]
    found = [each for each in candidates if has_agent(each)]
    if not found:
        message = (
            f"{len(candidates)} Python processes match {target!r}, and none of them has an agent. "
            "otel-concurrency ps shows all; otel-concurrency doctor PID says what one lacks."
        )
        raise NotInstrumentedError(message)
    return found


def one_process(target: str, command: str) -> Process:
    """Return the process that a number names.

    Raises:
        UsageError: If it is no number.
        CommandError: If there is no such process.
    """
    if not (target.isascii() and target.isdigit()):
        message = f"{command} takes one PID, got {target!r}."
        raise UsageError(message)
    return process_of(int(target))


def process_of(process_id: int) -> Process:
    """Return a process by number.

    Raises:
        CommandError: If there is none.
    """
    process = read_process(process_id) if has_proc() else Process(process_id, uid=os.geteuid(), inner_id=process_id)
    if process is None:
        message = (
            f"There is no process {process_id} here. otel-concurrency ps lists the Python processes; numbers inside a "
            "container differ from those outside."
        )
        raise CommandError(message)
    return process


def agents_or_python() -> Iterator[Process]:
    """Yield the Python processes of this user; without ``/proc``, those with a socket in its directory."""
    if has_proc():
        yield from python_processes()
        return
    for directory in directories(os.geteuid(), os.environ.get(DIRECTORY_VARIABLE, "")):
        for path in sorted(Path(directory).glob("*.sock")):
            named = parse_socket_name(path.name)
            if named is not None:
                yield Process(named[0], uid=os.geteuid(), inner_id=named[0], python="?")


def _descendants(process_id: int) -> list[Process]:
    family, found = {process_id}, []
    for process in sorted(python_processes(), key=lambda each: each.start):
        if process.parent_id in family:
            family.add(process.process_id)
            found.append(process)
    return found


def seconds(text: str) -> float:
    """Return a duration such as ``500ms``, ``2s``, ``1m`` or ``2`` (seconds).

    Raises:
        UsageError: If it is none, or not positive.
    """
    for suffix, factor in (("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("", 1)):
        if text.endswith(suffix):
            try:
                value = float(text.removesuffix(suffix)) * factor
            except ValueError:
                break
            if 0 < value < 1e7:
                return value
            break
    message = f"{text!r} is no duration: expected 500ms, 2s, 1m or 1h."
    raise UsageError(message)
