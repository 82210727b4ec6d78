"""``attach``: turns the instrumentation on in a process that was started without it (Python 3.14 or newer)."""

from __future__ import annotations

import argparse
import importlib
import os
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from .connection import ask, has_agent
from .failures import FINE, CommandError, NotInstrumentedError
from .interpreter import check_version, run_beside
from .processes import PROC, Process, environment_of
from .quantities import seconds
from .sources import one_process
from .terminal import emit, emit_json, progress

NAME: Final = "attach"
HELP: Final = "turn the instrumentation on in a process that was started without it (Python 3.14 or newer)"
EXAMPLES: Final = "otel-concurrency attach 4711 && otel-concurrency stack 4711"

_CALL: Final = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])"
_MAX_RESULT_BYTES: Final = 4096
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
        from opentelemetry.instrumentation.concurrency.attached import attach_here
        outcome = attach_here({process_id}, {uid}) or "attached"
    except BaseException as error:  # written to the result, whatever it is
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
        message = f"Process {process.process_id} already has an agent: otel-concurrency stack {process.process_id}"
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
        emit(
            [f"Attached to process {process.process_id}: {facts.get('tasks')} tasks, {facts.get('threads')} threads.\n"]
        )
    return FINE


def _check_reachable(process: Process) -> None:
    """Check that attaching can work, before the process is changed.

    Raises:
        CommandError: If the process is in a container, or has remote debugging disabled.
    """
    if environment_of(process.process_id).get("PYTHON_DISABLE_REMOTE_DEBUG"):
        message = f"Process {process.process_id} was started with PYTHON_DISABLE_REMOTE_DEBUG: restart it without."
        raise CommandError(message)
    try:
        same = (PROC / str(process.process_id) / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
    except OSError:
        return
    if not same:
        message = (
            f"Process {process.process_id} is in a container and can't read this package: install the package in "
            "the container and run the command there (docker exec ... otel-concurrency attach PID)."
        )
        raise CommandError(message)


def _paths() -> list[str]:
    """Return the directories that hold this package and its dependencies."""
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
                    "it at its next Python instruction but waits in C code. Send it a request and try again."
                )
                raise CommandError(message)
            time.sleep(0.05)
    outcome = _outcome(result)
    if outcome != "attached":
        message = f"Process {process.process_id} could not be instrumented: {outcome}"
        raise CommandError(message)


def _outcome(result: Path) -> str:
    """Return the result that the process wrote.

    The process owns the directory and may have replaced the file with anything.
    """
    try:
        descriptor = os.open(result, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return f"its result can't be read ({error.strerror})"
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "its result is not a file"
        return os.read(descriptor, _MAX_RESULT_BYTES).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


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
