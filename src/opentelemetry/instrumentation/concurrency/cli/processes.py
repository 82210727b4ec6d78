"""The Python processes of this machine, as they show from outside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..agent.places import start_of

PROC: Final = Path("/proc")
_PYTHON: Final = re.compile(r"(?:lib)?(?:python|pypy)(\d+(?:\.\d+)?)?(?:t|d)?(?:\.so.*)?")
_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        process_id: Its number here.
        parent_id: Its parent's; 0 if unknown.
        uid: Its effective user.
        start: Clock ticks since boot; 0 if unknown.
        python: Version such as ``3.11`` as far as file names tell; empty if unknown.
        threads: Operating-system threads; 0 if unknown.
        uptime_s: Seconds since it was started; 0 if unknown.
        command: Its arguments, joined.
        state: One letter as ``/proc`` has it: ``R``, ``S``, ``D``, ``T`` (stopped), ``Z`` (ended, not waited for).
        inner_id: Its number as it knows itself, in a container.
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
    """Tell whether the system has Linux' ``/proc``."""
    return (PROC / "self" / "stat").exists()


def all_processes() -> Iterator[Process]:
    """Yield every process of this machine that can be seen, Python or not, by number."""
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
    """Return what is known of a process from outside, or None if there is none."""
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


def still_runs(process: Process) -> bool:
    """Tell whether this very process, not another with its number, is there."""
    return not has_proc() or start_of(process.process_id) == process.start


def environment_of(process_id: int) -> dict[str, str]:
    """Return the environment a process was started with; empty where that may not be read."""
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
    """Return the version of the Python that runs there, ``?`` for one without a version in its name, or nothing."""
    try:
        program = os.path.basename(os.readlink(directory / "exe")).removesuffix(" (deleted)")  # noqa: PTH115, PTH119
    except OSError:
        program = os.path.basename(os.fsdecode(arguments[0])) if arguments else ""  # noqa: PTH119 (text only)
    match = _PYTHON.fullmatch(program)
    if match is not None:
        return match[1] or "?"
    # A program that embeds Python, such as uWSGI, has its library mapped.
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
