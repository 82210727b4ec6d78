"""``attach``: turns the instrumentation on in a process that was started without it (Python 3.14 or newer)."""

from __future__ import annotations

import argparse
import time
from typing import Final

from .connection import ask, has_agent
from .failures import FINE, CommandError, NotInstrumentedError
from .processes import Process
from .quantities import seconds
from .remote_script import call_in_process
from .sources import one_process
from .terminal import emit, emit_json

NAME: Final = "attach"
HELP: Final = "turn the instrumentation on in a process that was started without it (Python 3.14 or newer)"
EXAMPLES: Final = "otel-concurrency attach 4711 && otel-concurrency stack 4711"
FORMS: Final = ("table", "json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("target", metavar="PID", help="the process")
    parser.add_argument("--timeout", metavar="DURATION", default="10s", help="how long to wait (default 10s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    timeout_s = seconds(arguments.timeout, "--timeout")
    process = one_process(arguments.target, "attach")
    if has_agent(process):
        message = f"Process {process.process_id} already has an agent: otel-concurrency stack {process.process_id}"
        raise CommandError(message)
    failure = f"Process {process.process_id} could not be instrumented"
    call_in_process(process, "attach_here", failure=failure, timeout_s=timeout_s)
    facts = _hello(process, timeout_s)
    if arguments.output == "json":
        emit_json(facts)
    else:
        emit(
            [
                f"Attached to process {process.process_id}: {facts.get('tasks')} tasks, {facts.get('threads')} "
                f"threads.\n",
                f"To remove the instrumentation again: otel-concurrency detach {process.process_id}\n",
            ]
        )
    return FINE


def _hello(process: Process, timeout_s: float) -> dict[str, object]:
    """Query the new agent, which opens its socket a moment later."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask(process, "hello", timeout_s=timeout_s).facts
        except NotInstrumentedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
