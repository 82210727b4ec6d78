"""The Python processes on this machine, as seen from outside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..agent.socket_paths import start_of

PROC: Final = Path("/proc")
_PYTHON: Final = re.compile(r"(?:lib)?(?:python|pypy)(\d+(?:\.\d+)?)?(?:t|d)?(?:\.so.*)?")
_MAX_BYTES: Final = 1 << 20
_MAX_DIGITS: Final = 18
_FIRST_INSPECTABLE: Final = (3, 14)


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        process_id: Its number in this PID namespace.
        parent_id: The number of its parent; 0 if unknown.
        uid: Its effective user.
        start: Start time in clock ticks since boot; 0 if unknown.
        python: Version such as ``3.11``, derived from file names; empty if unknown.
        threads: Number of operating-system threads; 0 if unknown.
        uptime_s: Seconds since its start; 0 if unknown.
        command: Its arguments, joined.
        state: Its state as in ``/proc``: ``R``, ``S``, ``D``, ``T`` (stopped), ``Z`` (zombie).
        inner_id: Its number in its own PID namespace, for example in a container.
    """

    process_id: int
    parent_id: int = 0
    uid: int = -1
    start: int = 0
    python: str = ""
    threads: int = 0
    uptime_s: float = 0.0
    command: str = ""
    state: str = ""
    inner_id: int = 0


def has_proc() -> bool:
    """Return whether the system has Linux's ``/proc``."""
    return (PROC / "self" / "stat").exists()


def all_processes() -> Iterator[Process]:
    """Yield all visible processes, Python or not, by number."""
    for name in sorted((entry for entry in os.listdir(PROC) if entry.isdigit()), key=int):  # noqa: PTH208 (names)
        process = read_process(int(name))
        if process is not None:
            yield process


def python_processes() -> Iterator[Process]:
    """Yield the Python processes of this user; of all users for root."""
    me = os.geteuid()
    for process in all_processes():
        if process.python and process.state != "Z" and (me in (0, process.uid)):
            yield process


def read_process(process_id: int) -> Process | None:
    """Return a process as seen from outside, or None if it does not exist."""
    directory = PROC / str(process_id)
    try:
        status = _status(directory)
        stat = (directory / "stat").read_text(errors="replace").rpartition(")")[2].split()
        start, state = int(stat[19]), stat[0]
        arguments = _read(directory / "cmdline").rstrip(b"\0").split(b"\0")
        command = " ".join(each.decode("utf-8", "replace") for each in arguments)
        return Process(
            process_id=process_id,
            parent_id=int(status.get("PPid", "0")),
            uid=int(status["Uid"].split()[1]),
            start=start,
            python=_python_of(directory, arguments),
            threads=int(status.get("Threads", "0")),
            uptime_s=_uptime(start),
            command=command or f"[{status.get('Name', '')}]",
            state=state,
            inner_id=int(status.get("NSpid", str(process_id)).split()[-1]),
        )
    except (OSError, ValueError, KeyError, IndexError):
        return None


def version_of(process: Process) -> tuple[int, int] | None:
    """Return the Python version of a process, derived from file names."""
    major, _, minor = process.python.partition(".")
    minor = minor.partition(".")[0]
    if major.isdigit() and minor.isdigit():
        return int(major), int(minor)
    try:
        # The name is just ``python``: the target of the link may contain the version.
        name = (PROC / str(process.process_id) / "exe").resolve().name
    except OSError:
        return None
    version = name.removeprefix("python").split(".")
    return (int(version[0]), int(version[1])) if len(version) == 2 and all(map(str.isdigit, version)) else None


def allows_inspection(process: Process) -> bool:
    """Return whether the Python version of a process allows inspection and ``attach`` from outside."""
    version = version_of(process)
    return version is not None and version >= _FIRST_INSPECTABLE


def process_number(text: str) -> int | None:
    """Return a text as a process number, or None if it is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def still_runs(process: Process) -> bool:
    """Return whether this process still runs, rather than another process with its number."""
    return not has_proc() or start_of(process.process_id) == process.start


def environment_of(process_id: int) -> dict[str, str]:
    """Return the initial environment of a process; empty if it is not readable."""
    try:
        items = _read(PROC / str(process_id) / "environ").split(b"\0")
    except OSError:
        return {}
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "surrogateescape")
        for name, separator, value in (item.partition(b"=") for item in items)
        if separator
    }


def _status(directory: Path) -> dict[str, str]:
    lines = (directory / "status").read_text(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _python_of(directory: Path, arguments: list[bytes]) -> str:
    """Return the version of a process's Python: ``?`` if its name has no version, empty if it is not Python."""
    try:
        exe = os.readlink(directory / "exe")  # noqa: PTH115 (text, because the suffix is not part of the path)
        program = os.path.basename(exe).removesuffix(" (deleted)")  # noqa: PTH119 (likewise)
    except OSError:
        program = os.path.basename(os.fsdecode(arguments[0])) if arguments else ""  # noqa: PTH119 (text only)
    match = _PYTHON.fullmatch(program)
    if match is not None:
        return match[1] or "?"
    # A program that embeds Python, such as uWSGI, maps Python's library.
    try:
        found = re.search(rb"/libpython(\d+\.\d+)", _read(directory / "maps"))
    except OSError:
        return ""
    return found[1].decode() if found else ""


def _uptime(start: int) -> float:
    with (PROC / "uptime").open() as file:
        since_boot = float(file.read().split()[0])
    return max(0.0, since_boot - start / os.sysconf("SC_CLK_TCK"))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_BYTES)
