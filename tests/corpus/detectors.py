"""The detectors of the corpus: callables that look at an instrumented process and say which tasks and threads leak.

``DETECTORS`` is the whole table. A detector returns `Living` values, which hold nothing alive: a strong reference to a
task would be one more thing for the next detector to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

AGE_RULE_S: Final = 60.0
"""What the plain rule «older than» takes for a leak."""

OWN_THREADS: Final = "opentelemetry.instrumentation.concurrency"
MACHINERY: Final = frozenset({"MainThread", OWN_THREADS, "Watcher._work"})
"""Functions of threads that run the program and watch it; no detector is asked about them."""
RUNNER: Final = str(Path(__file__).with_name("runner.py"))
"""No detector is asked about the tasks that the runner creates either."""


class Living(NamedTuple):
    """One living task or thread.

    Attributes:
        kind: Task or thread.
        serial: Its serial number.
        function: The function of its creation site, without its module.
        path: The file of its creation site, absolute.
        line: The creating line.
        runs: The function that it runs, with its module; empty if unknown.
        caller: The line that called the function of the site, if that is a plain function and the line lies in the same
            file; else 0.
    """

    kind: Literal["task", "thread"]
    serial: int
    function: str
    path: str = ""
    line: int = 0
    runs: str = ""
    caller: int = 0


def living_of(census: Any) -> list[Living]:
    """Return everything alive. The caller holds the census' lock."""
    return [living for living, _, _ in _rows(census)]


def orphaned(installation: Any) -> set[Living]:
    """Return what the last look found orphaned."""
    with installation.census.locked():
        memory = installation.diagnosis.memory
        return {living for living, columns, row in _rows(installation.census) if memory.of(columns).verdict[row]}


def growing(installation: Any) -> set[Living]:
    """Return everything at the sites that the last look suspected of growing."""
    census, suspects = installation.census, installation.live.diagnosed.suspects
    with census.locked():
        return {
            living
            for living, columns, row in _rows(census)
            if any(site.kind == living.kind and site.number == columns.sites[row] for site in suspects)
        }


def old(installation: Any) -> set[Living]:
    """Return what is older than a minute: the rule that everybody writes first."""
    census = installation.census
    now = census.clock.now()
    with census.locked():
        return {living for living, columns, row in _rows(census) if now - columns.created_at[row] >= AGE_RULE_S}


def _rows(census: Any) -> Iterator[tuple[Living, Any, int]]:
    for kind, columns, table in (
        ("task", census.tasks, census.recorder.task_sites),
        ("thread", census.threads, census.recorder.thread_sites),
    ):
        for row, number in enumerate(columns.sites):
            site = table.sites[number]
            found, function = columns.references[row](), _function(site)
            if found is None or columns.is_finished(found) or function in MACHINERY or site.path == RUNNER:
                continue
            caller = site.caller.line if site.caller is not None and site.caller.path == site.path else 0
            living = Living(kind, columns.serials[row], function, site.path, site.line, site.runs, caller)
            yield living, columns, row


def _function(site: Any) -> str:
    # Up to 3.11 a comprehension is a function of its own.
    name = re.sub(r"\.<(list|set|dict)comp>", "", site.function)
    for module in (site.module, "corpus.park", "corpus.runner", "threading"):
        name = name.removeprefix(f"{module}.")
    return name


def unwakeable(installation: Any) -> set[Living]:
    """Return what the proof, run on demand over every suspended task, proves."""
    proven = _proof()(installation.census, installation.diagnosis).reasons
    with installation.census.locked():
        return {
            living for living, _, _ in _rows(installation.census) if living.kind == "task" and living.serial in proven
        }


def identify(installation: Any, found: list[Any]) -> list[tuple[Living, Any]]:
    """Return what another tool found, each with the living one of the census that it is."""
    if not found:
        return []
    census = installation.census
    with census.locked():
        census.admit_young()
        census.reconcile(at_once=True)
        wanted = {id(one): one for one in found}
        rows = [(living, columns.addresses[row]) for living, columns, row in _rows(census)]
    return [(living, wanted[address]) for living, address in rows if address in wanted]


def _proof() -> Any:
    from opentelemetry.instrumentation.concurrency.diagnose import proof_now

    return proof_now.prove_now


def _available() -> dict[str, Callable[[Any], set[Living]]]:
    found: dict[str, Callable[[Any], set[Living]]] = {"growing": growing, "orphaned": orphaned, "old": old}
    try:
        _proof()
    except ImportError:
        return found
    return {**found, "unwakeable": unwakeable}


DETECTORS: Final = _available()
VERDICTS: Final = ("growing", "orphaned", "unwakeable")
"""Ours among the detectors, weakest first."""
