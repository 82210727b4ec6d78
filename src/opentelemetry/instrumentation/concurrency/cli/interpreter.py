"""Access to another process by the standard library, with an interpreter of its version (Python 3.14 or newer)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from .connection import MAX_ANSWER_BYTES
from .failures import CommandError
from .processes import PROC, Process, allows_inspection, version_of

_PTRACE: Final = (
    "Inspecting another process requires the right to trace it: run as root (sudo), or allow it with "
    "sysctl kernel.yama.ptrace_scope=0; start containers with --cap-add=SYS_PTRACE"
)


def check_version(process: Process) -> tuple[int, int]:
    """Return the version of a process that can be inspected.

    Raises:
        CommandError: If the version does not support it.
    """
    version = version_of(process)
    if version is None or not allows_inspection(process):
        message = (
            f"Process {process.process_id} runs Python {process.python or 'of an unknown version'}; inspecting it from "
            "outside requires Python 3.14 or newer. Restart it with the instrumentation: opentelemetry-instrument "
            "python ..."
        )
        raise CommandError(message)
    return version


def run_beside(process: Process, program: str, *arguments: str, timeout_s: float) -> str:
    """Run a program with an interpreter of the process's version and return its output.

    Args:
        process: The process whose version to use; if this command runs as root, the program runs as its user.
        program: Source of the program.
        arguments: Arguments of the program.
        timeout_s: Limit for the program, in seconds.

    Raises:
        CommandError: If there is no such interpreter, or the program fails.
    """
    version = check_version(process)
    executable = sys.executable if version == sys.version_info[:2] else _executable_of(process)
    options: dict[str, Any] = {}
    if os.geteuid() == 0 and process.uid != 0:
        options = {"user": process.uid, "group": _group_of(process), "extra_groups": []}
    try:
        code, output, complaint = _run([executable, "-I", "-c", program, *arguments], timeout_s, options)
    except subprocess.TimeoutExpired:
        message = f"Process {process.process_id} could not be inspected within {timeout_s:g} s."
        raise CommandError(message) from None
    except OSError as error:
        message = (
            f"No interpreter of version {version[0]}.{version[1]} can be run ({executable}: {error.strerror}): "
            f"install otel-concurrency for that Python and run the command from there."
        )
        raise CommandError(message) from None
    if code:
        raise CommandError(_explained(process, complaint))
    return output


def _run(command: list[str], timeout_s: float, options: dict[str, Any]) -> tuple[int, str, str]:
    """Return exit code, output and error output of a command, each limited to the size of an answer.

    The executable may belong to another user, so its output goes to files instead of memory.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaint:
        done = subprocess.run(  # noqa: S603 (of the version that was checked, as the user whose it is)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=complaint,
            timeout=timeout_s,
            check=False,
            **options,
        )
        texts = []
        for file in (output, complaint):
            file.seek(0)
            texts.append(file.read(MAX_ANSWER_BYTES).decode("utf-8", "replace"))
    return done.returncode, texts[0], texts[1]


def _executable_of(process: Process) -> str:
    try:
        return os.readlink(PROC / str(process.process_id) / "exe").removesuffix(" (deleted)")  # noqa: PTH115 (a text)
    except OSError as error:
        message = f"The executable of process {process.process_id} is unknown ({error.strerror}). {_PTRACE}."
        raise CommandError(message) from None


def _group_of(process: Process) -> int:
    return Path(PROC / str(process.process_id)).stat().st_gid


def _explained(process: Process, stderr: str) -> str:
    last = stderr.strip().rpartition("\n")[2][:500]
    number = process.process_id
    if "PermissionError" in stderr or "Operation not permitted" in stderr:
        return f"Process {number} can't be traced ({last}). {_PTRACE}."
    if "disabled" in stderr.lower():
        return (
            f"Remote debugging is disabled in process {number} ({last}) by PYTHON_DISABLE_REMOTE_DEBUG, by "
            "-X disable-remote-debug, or in the build of its Python. Restart it without that."
        )
    return f"Process {number} could not be inspected: {last or 'no reason given'}."
