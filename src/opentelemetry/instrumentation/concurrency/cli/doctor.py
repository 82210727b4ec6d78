"""``doctor``: checks a process or this environment for common problems, with a remedy for each."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Final

from ..sanitize import sanitize
from .checks import of_agent, of_environment, of_process
from .connection import ask
from .control import control
from .failures import FINE, UNREACHABLE, CommandError, NotInstrumentedError, UsageError
from .finding import Finding
from .fitting import sentence_lines, terminal_width
from .launched_processes import cause_of_missing_agent
from .processes import environment_of
from .quantities import seconds
from .sources import one_process
from .terminal import emit, emit_json

NAME: Final = "doctor"
HELP: Final = "check a process or this environment for common problems, with a remedy for each"
EXAMPLES: Final = "otel-concurrency doctor\notel-concurrency doctor 4711\notel-concurrency doctor --control 4711"
FORMS: Final = ("table", "json")
REPEATS: Final = True

_MARKS: Final = {"ok": "ok  ", "note": "note", "bad": "BAD "}
_INDENT: Final = 6


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "target", nargs="?", metavar="TARGET", help="PID, or a glob on the command; default: this environment"
    )
    parser.add_argument(
        "--control",
        action="store_true",
        help="plant a leaked task in the process, check that it is found, and remove it; requires "
        "OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=true in the process",
    )
    parser.add_argument("--timeout", metavar="DURATION", default="10s", help="how long to wait (default 10s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    timeout_s = seconds(arguments.timeout, "--timeout")
    if arguments.target is None and arguments.control:
        message = "doctor --control needs the PID of a process: otel-concurrency doctor --control 4711."
        raise UsageError(message)
    if arguments.target is None:
        return _shown(arguments, of_environment(), FINE)
    process = one_process(arguments.target, "doctor", by_pattern=not arguments.control)
    try:
        facts = ask(process, "status", timeout_s=timeout_s).facts
    except NotInstrumentedError as error:
        cause = cause_of_missing_agent(process, environment_of(process.process_id))
        return _shown(arguments, [*of_process(process), Finding("bad", error.what), cause], UNREACHABLE)
    except CommandError as error:
        return _shown(arguments, [*of_process(process), Finding("bad", str(error))], UNREACHABLE)
    findings = [*of_process(process), *of_agent(facts)]
    if not arguments.control:
        return _shown(arguments, findings, FINE)
    controlled, code = control(process, timeout_s)
    return _shown(arguments, [*findings, *controlled], code)


def _shown(arguments: argparse.Namespace, findings: Iterable[Finding], code: int) -> int:
    findings = list(findings)
    if arguments.output == "json":
        emit_json([{"state": each.state, "what": each.what, "remedy": each.remedy} for each in findings])
        return code
    for each in findings:
        emit(sentence_lines(f"{_MARKS[each.state]}  {sanitize(each.what)}", terminal_width(), _INDENT))
        # A remedy may contain a command, which must stay one line to be copied.
        if each.remedy:
            emit([f"      → {each.remedy}\n"])
    return code
