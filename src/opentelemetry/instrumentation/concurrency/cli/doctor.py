"""``doctor``: what commonly goes wrong, in a process or in this environment, and what to do for each."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Final

from .ailments import Finding, of_agent, of_environment, of_process
from .connection import ask
from .failures import FINE, UNREACHABLE, CommandError
from .sources import one_process, seconds
from .terminal import emit, emit_json

NAME: Final = "doctor"
HELP: Final = "check what commonly goes wrong, in a process or in this environment, and say what to do"
EXAMPLES: Final = "otel-concurrency doctor\notel-concurrency doctor 4711"

_MARKS: Final = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("target", nargs="?", metavar="PID", help="the process; without one, this environment")
    parser.add_argument("--timeout", metavar="DURATION", default="10s", help="how long to wait (default 10s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    timeout_s = seconds(arguments.timeout)
    if arguments.target is None:
        return _shown(arguments, of_environment(), FINE)
    process = one_process(arguments.target, "doctor")
    try:
        facts = ask(process, "condition", timeout_s=timeout_s).facts
    except CommandError as error:
        return _shown(arguments, [*of_process(process), Finding("bad", str(error), "")], UNREACHABLE)
    return _shown(arguments, [*of_process(process), *of_agent(facts)], FINE)


def _shown(arguments: argparse.Namespace, findings: Iterable[Finding], code: int) -> int:
    findings = list(findings)
    if arguments.output == "json":
        emit_json([{"state": each.state, "what": each.what, "remedy": each.remedy} for each in findings])
        return code
    for each in findings:
        emit([f"{_MARKS[each.state]}  {each.what}\n"])
        if each.remedy:
            emit([f"      → {each.remedy}\n"])
    return code
