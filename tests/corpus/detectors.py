"""The detectors of the corpus: callables that look at an instrumented process and say which tasks and threads leak.

``DETECTORS`` is the whole table. A detector returns `Living` values, which hold nothing alive: a strong reference to a
task would be one more thing for the next detector to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, NamedTuple

AGE_RULE_S: Final = 60.0
"""What the plain rule «older than» takes for a leak."""

MACHINERY: Final = frozenset({"MainThread", "Census._run", "Watcher._work", "run_main"})
"""What runs the program and watches it; no detector is asked about that."""
CENSUS_MODULE: Final = "opentelemetry.instrumentation.concurrency.census.census"


class Living(NamedTuple):
    """One living task or thread: kind, serial number, and the function of its creation site without its module."""

    kind: Literal["task", "thread"]
    serial: int
    function: str


def living_of(census: Any) -> list[Living]:
    """Return everything alive. The caller holds the census' lock."""
    return [living for living, _, _ in _rows(census)]


def orphaned(installation: Any) -> set[Living]:
    """Return what the last look found orphaned."""
    with installation.census.locked():
        return {living for living, columns, row in _rows(installation.census) if columns.is_orphan[row]}


def growing(installation: Any) -> set[Living]:
    """Return everything at the sites that the last look suspected of growing."""
    census, suspects = installation.census, installation.diagnosed.suspects
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
            found, function = columns.references[row](), _function(table.sites[number])
            if found is None or columns.is_gone(found) or function in MACHINERY:
                continue
            yield Living(kind, columns.serials[row], function), columns, row


def _function(site: Any) -> str:
    # Up to 3.11 a comprehension is a function of its own.
    name = re.sub(r"\.<(list|set|dict)comp>", "", site.function)
    for module in (site.module, "corpus.park", "corpus.runner", "threading", CENSUS_MODULE):
        name = name.removeprefix(f"{module}.")
    return name


def unwakeable(installation: Any) -> set[Living]:
    """Return what the proof, run on demand over every suspended task, proves."""
    proof_on_demand = _proof()
    with installation.census.locked():
        rows = [(living, columns.references[row]) for living, columns, row in _rows(installation.census)]
    suspects = (found for living, task in rows if living.kind == "task" and (found := task()) is not None)
    proven = {id(reference()) for reference in proof_on_demand(suspects).unwakeable} - {id(None)}
    return {living for living, task in rows if id(task()) in proven}


def identify(installation: Any, found: list[Any]) -> set[Living]:
    """Return what another tool found, as living ones of the census."""
    if not found:
        return set()
    census = installation.census
    with census.locked():
        census.admit_young()
        census.reconcile(at_once=True)
        wanted = {id(one) for one in found}
        return {living for living, columns, row in _rows(census) if columns.addresses[row] in wanted}


def _proof() -> Any:
    from opentelemetry.instrumentation.concurrency.diagnose import wakeability

    return wakeability.proof_on_demand


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
