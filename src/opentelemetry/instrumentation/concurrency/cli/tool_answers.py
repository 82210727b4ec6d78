"""Answers for programs: the text of the read-only commands, sanitised, filtered and limited in size.

- Nothing is cancelled, attached, served or read from files. Targets are processes with an agent, never URLs.
- Every line passes through `sanitize`: names come from the inspected processes.
- A process that does not answer is a line of the text, so that the others are shown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from ..render.difference import changes_by_site, changes_text
from ..render.full_text import full_text
from ..render.grouped_text import grouped_text
from ..sanitize import sanitize
from .failures import CommandError, UsageError
from .filters import VERDICTS, holds, wait_reason
from .leak_blocks import Form
from .leaks import asked_leaks, chosen_leaks, leak_lines
from .ps import process_lines, process_rows
from .sources import ProcessSource, named_processes
from .tree import tree_lines

TEXT_LIMIT: Final = 60_000
"""Maximum number of characters of an answer."""
LONGEST_DIFF_S: Final = 300.0
_LINE_LIMIT: Final = 2_000
_TIMEOUT_S: Final = 10.0
_PROOF_TIMEOUT_S: Final = 120.0
_LIST_TIMEOUT_S: Final = 2.0
_AT_ONCE: Final = 8
_LEAK_VERDICTS: Final = ("orphaned", "unwakeable", "growing", "destroyed")


def list_text(*, everything: bool = False) -> str:
    """Return the table of processes: those with an agent, or all."""
    rows = process_rows(_LIST_TIMEOUT_S, only_agents=not everything)
    return _text(process_lines(rows, wide=True)) or "No Python process on this machine has an agent."


def leaks_text(target: str, site: str = "", wait: str = "", verdict: str = "", *, full: bool = False) -> str:
    """Return verdicts with evidence, from a proof that runs now.

    Raises:
        CommandError: If an argument is invalid, or no process answers.
    """
    filters = _filters(site, wait, verdict, _LEAK_VERDICTS)
    none_text = "No leaks match" if site or wait or verdict else "No leaks"

    def lines(source: ProcessSource) -> Iterator[str]:
        taken, facts = chosen_leaks(filters, *asked_leaks(source))
        return leak_lines(taken, facts, Form(full), none_text=none_text)

    return _of_processes(target, _PROOF_TIMEOUT_S, lines)


def stack_text(
    target: str, site: str = "", wait: str = "", verdict: str = "", *, threads: bool = False, full: bool = False
) -> str:
    """Return where tasks or threads wait: one block per group, or each one separately.

    Raises:
        CommandError: If an argument is invalid, or no process answers.
    """
    filters, kind = _filters(site, wait, verdict, VERDICTS), "thread" if threads else "task"

    def lines(source: ProcessSource) -> Iterable[str]:
        if full:
            snapshot = source.take().snapshot
            pictures = snapshot.threads if threads else snapshot.tasks
            return full_text([picture for picture in pictures if holds(filters, picture)])
        return grouped_text(kind, [each for each in source.count(kind).counts if holds(filters, each)])

    return _of_processes(target, _TIMEOUT_S, lines)


def tree_text(target: str, site: str = "", wait: str = "", verdict: str = "", *, created: bool = False) -> str:
    """Return the tasks by owner, or by creator.

    Raises:
        CommandError: If an argument is invalid, or no process answers.
    """
    filters = _filters(site, wait, verdict, VERDICTS)

    def lines(source: ProcessSource) -> Iterator[str]:
        return tree_lines(source.take().snapshot.tasks, lambda one: holds(filters, one), created=created)

    return _of_processes(target, _TIMEOUT_S, lines)


def diff_text(target: str, duration_s: float = 30.0, sleep: Callable[[float], None] = time.sleep) -> str:
    """Return what changed by site over some seconds.

    Args:
        target: The target.
        duration_s: Seconds between the two snapshots, at most `LONGEST_DIFF_S`.
        sleep: A function like `time.sleep`.

    Raises:
        CommandError: If an argument is invalid, or no process answers.
    """
    if not 0 < duration_s <= LONGEST_DIFF_S:
        message = f"seconds={duration_s:g}: expected more than 0 and at most {LONGEST_DIFF_S:g}."
        raise UsageError(message)

    def lines(source: ProcessSource) -> Iterator[str]:
        before = source.take().snapshot
        sleep(duration_s)
        return changes_text(changes_by_site(before, source.take().snapshot))

    return _of_processes(target, _TIMEOUT_S, lines)


def _filters(site: str, wait: str, verdict: str, verdicts: Iterable[str]) -> argparse.Namespace:
    """Return the filters as the commands expect them.

    Raises:
        UsageError: If one is invalid.
    """
    if verdict and verdict not in verdicts:
        message = f"verdict={verdict!r}: expected one of {', '.join(verdicts)}."
        raise UsageError(message)
    try:
        reason = wait_reason(wait) if wait else None
    except argparse.ArgumentTypeError as error:
        raise UsageError(str(error)) from None
    return argparse.Namespace(site=site or None, wait=reason, verdict=verdict or None)


def _of_processes(target: str, timeout_s: float, lines: Callable[[ProcessSource], Iterable[str]]) -> str:
    """Return the lines of each process that a target selects.

    Raises:
        CommandError: If there is none, or the only one does not answer.
    """
    if not target:
        raise UsageError("target: expected a PID, PID+, a glob on the command, or all; the tool list has the PIDs.")
    found = [ProcessSource(process, timeout_s) for process in named_processes(target)]
    if len(found) == 1:
        return _text(lines(found[0])) or "Nothing matches."

    def part(source: ProcessSource) -> list[str]:
        try:
            return [f"process {source.label}\n", *lines(replace(source, among_others=True))]
        except CommandError as error:
            return [f"process {source.label}: {error}\n"]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return _text(line for lines_of_one in pool.map(part, found) for line in lines_of_one)


def _text(lines: Iterable[str]) -> str:
    """Return lines as one text, each sanitised; the lines beyond `TEXT_LIMIT` are omitted and counted."""
    made: list[str] = []
    size = left_out = 0
    for line in lines:
        if left_out:
            left_out += 1
            continue
        text = sanitize(line.removesuffix("\n"), _LINE_LIMIT, keep="\t")
        size += len(text) + 1
        if size > TEXT_LIMIT:
            left_out = 1
        else:
            made.append(text)
    if left_out:
        more = f"{left_out} more line{'' if left_out == 1 else 's'}"
        made.append(f"… ({more} beyond {TEXT_LIMIT} characters; narrow with site, wait or verdict)")
    return "\n".join(made)
