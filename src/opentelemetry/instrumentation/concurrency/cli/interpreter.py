"""The standard library's own way into another process, on Python ≥ 3.14: run with an interpreter of its version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from .failures import CommandError
from .processes import PROC, Process

FIRST_VERSION: Final = (3, 14)
_PTRACE: Final = (
    "Looking into another process needs the right to trace it: run as root (sudo), or allow it with "
    "sysctl kernel.yama.ptrace_scope=0; in a container start it with --cap-add=SYS_PTRACE"
)


def version_of(process: Process) -> tuple[int, int] | None:
    """Return the Python version of a process as file names tell it."""
    major, _, minor = process.python.partition(".")
    minor = minor.partition(".")[0]
    if major.isdigit() and minor.isdigit():
        return int(major), int(minor)
    try:
        # ``python`` alone: the library or the directory that is mapped says more.
        name = (PROC / str(process.process_id) / "exe").resolve().name
    except OSError:
        return None
    version = name.removeprefix("python").split(".")
    return (int(version[0]), int(version[1])) if len(version) == 2 and all(map(str.isdigit, version)) else None


def check_version(process: Process) -> tuple[int, int]:
    """Return the version of a process that can be looked into.

    Raises:
        CommandError: If it can't.
    """
    version = version_of(process)
    if version is None or version < FIRST_VERSION:
        message = (
            f"Process {process.process_id} runs Python {process.python or 'of an unknown version'}; Python 3.14 is the "
            "first that lets others in. Restart it with the instrumentation: opentelemetry-instrument python ..."
        )
        raise CommandError(message)
    return version


def run_beside(process: Process, program: str, *arguments: str, timeout_s: float) -> str:
    """Run a small program with an interpreter of a process' version and return what it prints.

    Args:
        process: Which to match; for root the program runs as its user, whose interpreter it is.
        program: The source.
        arguments: Its arguments.
        timeout_s: How long it may take.

    Raises:
        CommandError: If there is no such interpreter, or the program fails.
    """
    version = check_version(process)
    executable = sys.executable if version == sys.version_info[:2] else _executable_of(process)
    options: dict[str, Any] = {}
    if os.geteuid() == 0 and process.uid != 0:
        options = {"user": process.uid, "group": _group_of(process), "extra_groups": []}
    try:
        done = subprocess.run(  # noqa: S603 (of the version that was checked, as the user whose it is)
            [executable, "-I", "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            **options,
        )
    except subprocess.TimeoutExpired:
        message = f"Process {process.process_id} could not be looked into within {timeout_s:g} s."
        raise CommandError(message) from None
    except OSError as error:
        message = (
            f"No interpreter of version {version[0]}.{version[1]} can be run ({executable}: {error.strerror}): "
            f"install otel-concurrency for that Python and call it from there."
        )
        raise CommandError(message) from None
    if done.returncode:
        raise CommandError(_explained(process, done.stderr))
    return str(done.stdout)


def _executable_of(process: Process) -> str:
    try:
        return os.readlink(PROC / str(process.process_id) / "exe").removesuffix(" (deleted)")  # noqa: PTH115 (a text)
    except OSError as error:
        message = f"The program of process {process.process_id} can't be told ({error.strerror}). {_PTRACE}."
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
            f"Process {number} does not let others in ({last}): it was started with PYTHON_DISABLE_REMOTE_DEBUG or "
            "-X disable-remote-debug, or its Python was built without. Restart it without that."
        )
    return f"Process {number} could not be looked into: {last or 'no reason given'}."
