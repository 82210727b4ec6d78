"""``ps``: lists the Python processes of this user (of all users for root), with counts from their agents."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from ..durations import short_duration
from .connection import ask
from .failures import FINE, CommandError, NotInstrumentedError
from .processes import Process
from .quantities import seconds
from .silent_loop_lines import silent_loop_sentence, silent_loops_of
from .sources import agents_or_python
from .tables import Column, number, table
from .terminal import emit, emit_json

NAME: Final = "ps"
HELP: Final = "list the Python processes of this user (of all users for root); * marks those with an agent"
EXAMPLES: Final = (
    "otel-concurrency ps\notel-concurrency ps -o wide --watch 2s\notel-concurrency ps --json | jq '.[].pid'"
)
FORMS: Final = ("table", "wide", "json")
HAS_HEADINGS: Final = True
REPEATS: Final = True

_COLUMNS: Final = (
    number("PID"),
    number("PARENT", rank=3),
    Column(""),
    Column("PYTHON", rank=2),
    number("TASKS"),
    number("THREADS", rank=1),
    number("ORPHANS"),
    number("GROWING"),
    number("UPTIME", rank=1),
    Column("COMMAND", cut="command"),
)
_AT_ONCE: Final = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--agents", action="store_true", help="list only processes with an agent")
    parser.add_argument("--timeout", metavar="DURATION", default="2s", help="limit for each process (default 2s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    rows = process_rows(seconds(getattr(arguments, "timeout", "2s"), "--timeout"), only_agents=arguments.agents)
    if arguments.output == "json":
        emit_json(rows)
        return FINE
    emit(process_lines(rows, wide=arguments.output == "wide", with_headings=not arguments.no_headers))
    return FINE


def process_rows(timeout_s: float, *, only_agents: bool) -> list[dict[str, Any]]:
    """Return the Python processes with the facts of their agents.

    Args:
        timeout_s: Limit for the answer of each process, in seconds.
        only_agents: Whether to omit processes without an agent.
    """
    processes = [each for each in agents_or_python() if each.process_id != os.getpid()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda process: _hello(process, timeout_s), processes))
    rows = [_row(process, answer) for process, answer in zip(processes, answers, strict=True)]
    return [row for row in rows if row["agent"] or not only_agents]


def process_lines(rows: list[dict[str, Any]], *, wide: bool, with_headings: bool = True) -> Iterator[str]:
    """Yield the table of processes, line by line."""
    yield from table(_COLUMNS, map(_cells, rows), wide=wide, with_headings=with_headings)


def _hello(process: Process, timeout_s: float) -> dict[str, Any] | str:
    """Return the agent's facts, or why it did not answer; empty if there is no agent."""
    try:
        return ask(process, "hello", timeout_s=timeout_s).facts
    except NotInstrumentedError:
        return ""
    except CommandError as error:
        return str(error)


def _row(process: Process, answer: dict[str, Any] | str) -> dict[str, Any]:
    facts = answer if isinstance(answer, dict) else {}
    return {
        "pid": process.process_id,
        "parent": process.parent_id,
        "uid": process.uid,
        "agent": bool(answer),
        "problem": answer if isinstance(answer, str) else "",
        "python": facts.get("python") or process.python,
        "tasks": facts.get("tasks"),
        "threads": facts.get("threads") or process.threads or None,
        "orphans": facts.get("orphans"),
        "unwakeable": facts.get("unwakeable"),
        "suspects": facts.get("suspects"),
        "silent_loops": silent_loops_of(facts),
        "uptime_s": round(process.uptime_s or facts.get("uptime_s", 0.0), 1),
        "service": facts.get("service", ""),
        "command": process.command,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    def number(name: str) -> str:
        value = row[name]
        return "-" if value is None else str(value)

    problems = [*filter(None, [row["problem"]]), *map(silent_loop_sentence, row["silent_loops"])]
    mark = "" if not row["agent"] else "!" if problems else "*"
    return (
        number("pid"),
        number("parent"),
        mark,
        str(row["python"]),
        number("tasks"),
        number("threads"),
        number("orphans"),
        number("suspects"),
        short_duration(row["uptime_s"]),
        row["command"] + "".join(f"  ({each})" for each in problems),
    )
