"""``attach``: switch the instrumentation on in a process that was started without it, on Python ≥ 3.14."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from .connection import ask, has_agent
from .failures import FINE, CommandError, NotInstrumentedError
from .interpreter import check_version, run_beside
from .processes import PROC, Process, environment_of
from .sources import one_process, seconds
from .terminal import emit, emit_json, progress

NAME: Final = "attach"
HELP: Final = "switch the instrumentation on in a process that was started without it (Python 3.14 or newer)"
EXAMPLES: Final = "otel-concurrency attach 4711 && otel-concurrency stack 4711"

_CALL: Final = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])"
_NEEDED: Final = (
    "opentelemetry.instrumentation.concurrency",
    "opentelemetry.trace",
    "opentelemetry.instrumentation.instrumentor",
    "opentelemetry.semconv",
    "wrapt",
    "packaging",
    "typing_extensions",
)
_SCRIPT: Final = """
def _otel_concurrency_attach():
    import os, sys
    try:
        for path in {paths!r}:
            if path not in sys.path:
                sys.path.append(path)
        import importlib
        importlib.invalidate_caches()
        from opentelemetry.instrumentation.concurrency.agent.attached import attach_here
        outcome = attach_here({process_id}, {uid}) or "attached"
    except BaseException as error:
        outcome = f"{{type(error).__name__}}: {{error}}"
    with open({result!r} + ".new", "w") as file:
        file.write(outcome)
    os.replace({result!r} + ".new", {result!r})
_otel_concurrency_attach()
del _otel_concurrency_attach
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("target", metavar="PID", help="the process")
    parser.add_argument("--timeout", metavar="DURATION", default="10s", help="how long to wait (default 10s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    timeout_s = seconds(arguments.timeout)
    process = one_process(arguments.target, "attach")
    if has_agent(process):
        message = f"Process {process.process_id} has an agent already: otel-concurrency stack {process.process_id}"
        raise CommandError(message)
    check_version(process)
    _check_reachable(process)
    with tempfile.TemporaryDirectory(prefix="otel-concurrency-attach-") as directory:
        if os.geteuid() == 0:
            os.chown(directory, process.uid, -1)
        result = Path(directory, "result")
        script = Path(directory, "attach.py")
        script.write_text(
            _SCRIPT.format(paths=_paths(), process_id=os.getpid(), uid=os.geteuid(), result=str(result)),
            encoding="utf-8",
        )
        script.chmod(0o644)
        run_beside(process, _CALL, str(process.process_id), str(script), timeout_s=timeout_s)
        _wait_for(process, result, timeout_s)
    facts = _hello(process, timeout_s)
    if arguments.output == "json":
        emit_json(facts)
    else:
        emit([f"Attached to process {process.process_id}: {facts['tasks']} tasks, {facts['threads']} threads.\n"])
    return FINE


def _check_reachable(process: Process) -> None:
    """Refuse what can't work before the process is touched.

    Raises:
        CommandError: If the process is in a container of its own, or says no.
    """
    if environment_of(process.process_id).get("PYTHON_DISABLE_REMOTE_DEBUG"):
        message = f"Process {process.process_id} was started with PYTHON_DISABLE_REMOTE_DEBUG: restart it without that."
        raise CommandError(message)
    try:
        same = (PROC / str(process.process_id) / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
    except OSError:
        return
    if not same:
        message = (
            f"Process {process.process_id} is in a container and can't read this package: run the command in there, "
            "where the package must be installed (docker exec ... otel-concurrency attach PID)."
        )
        raise CommandError(message)


def _paths() -> list[str]:
    """Return the directories that hold this package and what it needs."""
    found: dict[str, None] = {}
    for name in _NEEDED:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        file = getattr(module, "__file__", None)
        if file is None:
            continue
        levels = name.count(".") + (1 if Path(file).name == "__init__.py" else 0)
        found[str(Path(file).resolve().parents[levels])] = None
    return [path for path in found if path not in ("", sys.prefix)]


def _wait_for(process: Process, result: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    with progress(f"Waiting for process {process.process_id}") as shown_progress:
        while not result.exists():
            shown_progress(time.monotonic() - deadline + timeout_s, 0)
            if time.monotonic() > deadline:
                message = (
                    f"Process {process.process_id} did not run the script within {timeout_s:g} s: its main thread runs "
                    "it at its next Python instruction, and waits in C code until then. Send it a request, try again."
                )
                raise CommandError(message)
            time.sleep(0.05)
    outcome = result.read_text(encoding="utf-8")
    if outcome != "attached":
        message = f"Process {process.process_id} could not be instrumented: {outcome}"
        raise CommandError(message)


def _hello(process: Process, timeout_s: float) -> dict[str, object]:
    """Ask the new agent, which opens its socket a moment later."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask(process, "hello", timeout_s=timeout_s).facts
        except NotInstrumentedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
