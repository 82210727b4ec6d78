"""Processes with their children: which of them a target selects, and which have no agent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from .connection import has_agent
from .failures import NotInstrumentedError
from .left_out import some_of
from .processes import Process, python_processes, read_process
from .terminal import say

_MAX_NAMED: Final = 8
_NEVER_INSTRUMENTED: Final = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


def descendants(process_id: int) -> list[Process]:
    """Return the Python processes below a process, parents before their children."""
    family, found = {process_id}, []
    for process in sorted(python_processes(), key=lambda each: each.start):
        if process.parent_id in family:
            family.add(process.process_id)
            found.append(process)
    return found


def own_family() -> set[int]:
    """Return the numbers of this process and its ancestors: their command lines may contain the target's pattern."""
    found: set[int] = set()
    number = os.getpid()
    while number > 0 and number not in found:
        found.add(number)
        process = read_process(number)
        number = 0 if process is None else process.parent_id
    return found


def with_agents(candidates: Iterable[Process]) -> list[Process]:
    """Return the processes that have an agent, and name the others on standard error if there are both."""
    found: list[Process] = []
    others: list[Process] = []
    for process in candidates:
        (found if has_agent(process) else others).append(process)
    others = [each for each in others if not any(name in each.command for name in _NEVER_INSTRUMENTED)]
    if found and others:
        verb = "has no agent and is" if len(others) == 1 else "have no agent and are"
        say(
            f"otel-concurrency: {_named(others)} {verb} not shown: not instrumented, or without a task or thread so "
            f"far. otel-concurrency doctor {others[0].process_id} gives the cause."
        )
    return found


def pointing_to_children(error: NotInstrumentedError, process: Process) -> NotInstrumentedError:
    """Return the error of a process without an agent; if children of it have one, an error that names them."""
    found = [each for each in descendants(process.process_id) if has_agent(each)]
    if not found:
        return error
    number = process.process_id
    message = (
        f"Process {number} has no agent, but its children have: {_named(found)}. Give {number}+ for all of them, or "
        "the PID of one."
    )
    return NotInstrumentedError(message)


def _named(processes: list[Process]) -> str:
    numbers = [str(each.process_id) for each in processes]
    return f"process{'es' if len(numbers) > 1 else ''} {some_of(numbers, _MAX_NAMED)}"
