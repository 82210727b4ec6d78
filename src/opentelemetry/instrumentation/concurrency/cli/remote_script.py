"""Running of a function of this package in another process (Python 3.14 or newer, `sys.remote_exec`)."""

from __future__ import annotations

import importlib
import os
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from .failures import CommandError
from .interpreter import check_version, run_beside
from .processes import PROC, Process, environment_of
from .terminal import progress

_CALL: Final = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])"
_DONE: Final = "done"
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
def _otel_concurrency_call():
    import os, sys
    added = [path for path in {paths!r} if path not in sys.path]
    outcome = "failed"
    try:
        sys.path.extend(added)
        import importlib
        importlib.invalidate_caches()
        from opentelemetry.instrumentation.concurrency.attached import {function}
        outcome = {function}({process_id}, {uid}, added) or "done"
    except BaseException as error:  # written to the result, whatever it is
        outcome = f"{{type(error).__name__}}: {{error}}"
    if outcome != "done":
        for path in added:
            if path in sys.path:
                sys.path.remove(path)
    with open({result!r} + ".new", "w") as file:
        file.write(outcome)
    os.replace({result!r} + ".new", {result!r})
_otel_concurrency_call()
del _otel_concurrency_call
"""


def call_in_process(process: Process, function: str, *, failure: str, timeout_s: float) -> None:
    """Call a function of `attached` in the main thread of a process and wait until it has returned.

    Args:
        process: The process.
        function: Name of the function.
        failure: Start of the sentence that reports the reason for a failure.
        timeout_s: Limit in seconds.

    Raises:
        CommandError: If the process can't be entered, does not run the function in time, or the function fails.
    """
    check_version(process)
    _check_reachable(process)
    with tempfile.TemporaryDirectory(prefix="otel-concurrency-attach-") as directory:
        if os.geteuid() == 0:
            os.chown(directory, process.uid, -1)
        result = Path(directory, "result")
        script = Path(directory, "attach.py")
        text = _SCRIPT.format(
            paths=_paths(), function=function, process_id=os.getpid(), uid=os.geteuid(), result=str(result)
        )
        script.write_text(text, encoding="utf-8")
        script.chmod(0o644)
        run_beside(process, _CALL, str(process.process_id), str(script), timeout_s=timeout_s)
        outcome = _wait_for(process, result, timeout_s)
    if outcome != _DONE:
        message = f"{failure}: {outcome}"
        raise CommandError(message)


def _check_reachable(process: Process) -> None:
    """Check that the process can be entered, before the process is changed.

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


def _wait_for(process: Process, result: Path, timeout_s: float) -> str:
    """Return the result that the process writes when it has run the script."""
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
    return _outcome(result)


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
