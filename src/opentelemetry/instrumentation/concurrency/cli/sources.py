"""Targets and sources: resolves a PID, ``PID+``, a glob, ``all`` or a URL to sources that answer requests."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from ..agent.counted import read_counted
from ..agent.socket_paths import directories, parse_socket_name, runtime_directory
from ..snapshot.process_info import ProcessInfo
from .connection import DIRECTORY_VARIABLE, MAX_ANSWER_BYTES, Answer, ask, has_agent
from .endpoint import UrlSource
from .failures import CommandError, NotInstrumentedError, UsageError
from .families import descendants, own_family, pointing_to_children, with_agents
from .left_out import some_of
from .processes import Process, has_proc, process_number, python_processes, read_process
from .quantities import seconds, size
from .taken import Counted, Taken, taken_from
from .terminal import progress

_STOPPED: Final = ("T", "t")
_STOPPED_LIMIT_S: Final = 2.0
_NAMED: Final = 8


@dataclass(frozen=True, slots=True)
class ProcessSource:
    """A process with an agent.

    Attributes:
        process: The process.
        timeout_s: Limit for the whole answer, in seconds.
        max_bytes: Maximum size of an answer.
        among_others: Whether other processes are queried at the same time: then no progress is shown, and a stopped
            process is abandoned after `_STOPPED_LIMIT_S`.
    """

    process: Process
    timeout_s: float
    max_bytes: int = MAX_ANSWER_BYTES
    among_others: bool = False

    @property
    def label(self) -> str:
        """The heading of the source's column."""
        return str(self.process.process_id)

    def ask(self, request: str, **options: Any) -> Answer:
        """Send a request to the agent.

        Raises:
            CommandError: If the agent can't be reached, refuses or does not answer in time.
        """
        if self.among_others:
            return self._ask(request, options, self._give_up_if_stopped)
        try:
            with progress(f"Querying process {self.label}") as shown_progress:
                return self._ask(request, options, shown_progress)
        except NotInstrumentedError as error:
            raise pointing_to_children(error, self.process) from None

    def _ask(self, request: str, options: dict[str, Any], on_wait: Callable[[float, int], None]) -> Answer:
        return ask(self.process, request, options, timeout_s=self.timeout_s, max_bytes=self.max_bytes, on_wait=on_wait)

    def _give_up_if_stopped(self, waited_s: float, _received: int) -> None:
        if waited_s < _STOPPED_LIMIT_S or not has_proc():
            return
        now = read_process(self.process.process_id)
        if now is not None and now.start == self.process.start and now.state in _STOPPED:
            message = (
                f"Process {self.label} is stopped (SIGSTOP or a debugger) and does not answer: kill -CONT {self.label} "
                "continues it."
            )
            raise CommandError(message)

    def count(self, kind: str, *, split_loops: bool = False) -> Counted:
        """Count tasks or threads with equal properties.

        Raises:
            CommandError: As for `ask`.
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
            CommandError: As for `ask`.
        """
        return taken_from(self.ask("snapshot").body, f"process {self.label}")


Source = ProcessSource | UrlSource


def add_target(
    parser: argparse.ArgumentParser, *, many: bool = True, without_url: str = "", usual_timeout: str = "10s"
) -> None:
    """Add the arguments that select a target and its connection.

    Args:
        parser: The parser of a command.
        many: Whether the command takes several processes.
        without_url: Why the command does not accept ``--url``, as a sentence; empty if it does.
        usual_timeout: The timeout without the option, as the help shows it.
    """
    help_text = "PID, PID+ (with its children), a glob on the command, or all" if many else "PID"
    parser.add_argument("target", nargs="?", metavar="TARGET", help=help_text)
    parser.set_defaults(without_url=without_url)
    help_of_url = argparse.SUPPRESS if without_url else "a debug endpoint instead, such as http://127.0.0.1:6080"
    parser.add_argument("--url", help=help_of_url)
    parser.add_argument(
        "--timeout", metavar="DURATION", help=f"how long to wait for an answer (default {usual_timeout})"
    )
    parser.add_argument("--max-answer", metavar="SIZE", help="maximum size of an answer, such as 1GB (default 64MB)")


def sources(arguments: argparse.Namespace, *, usual_timeout_s: float = 10.0) -> list[Source]:
    """Return the sources that the arguments select, at least one; several only if each has an agent.

    Raises:
        UsageError: If the arguments select no target, both a target and a URL, or a URL where none is accepted.
        CommandError: If there is no such process.
    """
    timeout_s = seconds(arguments.timeout, "--timeout") if arguments.timeout else usual_timeout_s
    max_bytes = size(arguments.max_answer, "--max-answer") if arguments.max_answer else MAX_ANSWER_BYTES
    if arguments.url:
        if arguments.without_url:
            raise UsageError(arguments.without_url)
        if arguments.target:
            raise UsageError("Give a target or --url, not both.")
        if not arguments.url.startswith(("http://", "https://")):
            message = f"--url {arguments.url!r}: expected http://host:port or https://host:port."
            raise UsageError(message)
        return [UrlSource(arguments.url, timeout_s, max_bytes)]
    if not arguments.target:
        raise UsageError(
            "No target: give a PID, PID+, a glob on the command, or all; otel-concurrency ps lists the processes."
        )
    return [ProcessSource(process, timeout_s, max_bytes) for process in named_processes(arguments.target)]


def one_source(arguments: argparse.Namespace, *, usual_timeout_s: float = 10.0) -> Source:
    """Return the only source that the arguments select.

    Raises:
        UsageError: If they select several.
        CommandError: If there is no such process.
    """
    found = sources(arguments, usual_timeout_s=usual_timeout_s)
    if len(found) > 1:
        numbers = some_of([source.label for source in found], _NAMED)
        message = f"{arguments.target!r} matches {len(found)} processes ({numbers}); this command needs exactly one."
        raise UsageError(message)
    return found[0]


def named_processes(target: str) -> list[Process]:
    """Return the processes that a target selects; if it can select several, those with an agent.

    Raises:
        UsageError: If the target is invalid.
        CommandError: If there is no such process.
    """
    named = process_number(target.removesuffix("+"))
    if named is not None:
        process, number = process_of(named), str(named)
        if not target.endswith("+"):
            return [process]
        found = with_agents([process, *descendants(process.process_id)])
        if not found:
            message = f"Neither process {number} nor any of its children has an agent."
            raise NotInstrumentedError(message, f"otel-concurrency doctor {number}")
        return found
    if target.startswith("-"):
        message = f"{target!r} is not a target: give a PID, PID+, a glob on the command, or all."
        raise UsageError(message)
    candidates = _matching("*" if target == "all" else target)
    found = [each for each in candidates if has_agent(each)] if target == "all" else with_agents(candidates)
    if not found:
        raise _none_has_an_agent(target, candidates)
    return found


def _none_has_an_agent(target: str, candidates: list[Process]) -> NotInstrumentedError:
    """Return the error for a pattern; if children of a match have an agent, it names them."""
    count = len(candidates)
    if count == 0:
        return NotInstrumentedError(f"No Python process matches {target!r}; otel-concurrency ps lists all.")
    only = f"1 Python process matches {target!r}: {candidates[0].process_id}. It has no agent."
    several = f"{count} Python processes match {target!r}, but none of them has an agent."
    error = NotInstrumentedError(
        f"{only if count == 1 else several} otel-concurrency ps lists all; "
        f"otel-concurrency doctor {candidates[0].process_id} gives the cause."
    )
    for process in candidates:
        pointed = pointing_to_children(error, process)
        if pointed is not error:
            return pointed
    return error


def one_process(target: str, command: str, *, by_pattern: bool = False) -> Process:
    """Return the process with the number that a text gives.

    Args:
        target: The text.
        command: The command, for the message.
        by_pattern: Whether a pattern that matches a single Python process is accepted too. A command that changes the
            process requires its number.

    Raises:
        UsageError: If the text is neither.
        CommandError: If there is no such process.
    """
    number = process_number(target)
    if number is not None:
        return process_of(number)
    if not by_pattern:
        message = f"{command}: expected one PID, got {target!r}."
        raise UsageError(message)
    found = _matching(target)
    if len(found) != 1:
        numbers = some_of([str(each.process_id) for each in found], _NAMED)
        what = f"{len(found)} Python processes ({numbers})" if found else "no Python process"
        message = f"{command}: expected one PID, got {target!r}, which matches {what}."
        raise UsageError(message)
    return found[0]


def _matching(pattern: str) -> list[Process]:
    """Return the Python processes whose command line matches; without a wildcard, any part of it."""
    glob = pattern if any(each in pattern for each in "*?[") else f"*{pattern}*"
    own = own_family()
    return [one for one in agents_or_python() if one.process_id not in own and fnmatchcase(one.command, glob)]


def process_of(process_id: int) -> Process:
    """Return a process by number.

    Raises:
        CommandError: If there is none.
    """
    process = read_process(process_id) if has_proc() else Process(process_id, uid=os.geteuid(), inner_id=process_id)
    if process is None:
        message = (
            f"There is no process {process_id} here. otel-concurrency ps lists the Python processes. Process numbers "
            "inside and outside a container differ."
        )
        raise CommandError(message)
    return process


def agents_or_python() -> Iterator[Process]:
    """Yield the Python processes of this user; without ``/proc``, those with a socket."""
    if has_proc():
        yield from python_processes()
        return
    uid = os.geteuid()
    for directory in directories(uid, os.environ.get(DIRECTORY_VARIABLE, ""), runtime_directory(uid)):
        for path in sorted(Path(directory).glob("*.sock")):
            named = parse_socket_name(path.name)
            if named is not None:
                yield Process(named[0], uid=os.geteuid(), inner_id=named[0], python="?")
