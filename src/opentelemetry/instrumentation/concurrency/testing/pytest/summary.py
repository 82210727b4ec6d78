"""The summary of a run: leaks by site and wait reason, stale baseline entries."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from ..baseline import SeenLeak, moved_text
from ..leak import Leak

if TYPE_CHECKING:
    import pytest

    from ..baseline import KnownLeak
    from .plan import Planner

_WORKER_KEY: Final = "otel_concurrency_leaks"
_MAX_ROWS: Final = 30


def found_leak(leak: Leak, test: str, state: str, reason: str) -> dict[str, Any]:
    """Return the properties of a leak for a report, as plain values that pytest-xdist can send.

    Args:
        leak: The leak.
        test: The test or node that leaked.
        state: ``leaked``, ``allowed`` by a marker, or ``tolerated`` by the baseline.
        reason: Why it is allowed or tolerated.
    """
    seen = SeenLeak.of(leak, test)
    return {
        "kind": leak.kind,
        "site": leak.site.function,
        "place": f"{leak.site.path}:{leak.site.line}" if leak.site.path else "",
        "running": f"running {leak.site.runs}" if leak.site.runs else "",
        # xdist sends lists, not named tuples.
        "seen": list(seen),
        "waits": leak.wait_reason,
        "verdict": leak.verdict or "",
        "test": test,
        "state": state,
        "reason": reason,
    }


class LeakSummary:
    """Collects leaks from all reports and workers, and prints the summary.

    Args:
        config: The pytest configuration.
        planner: Provides the baseline.
    """

    def __init__(self, config: pytest.Config, planner: Planner) -> None:
        self._config = config
        self._planner = planner
        self._found: list[dict[str, Any]] = []
        self._end_texts: list[str] = []
        self._tests_run: set[str] = set()
        self._wrote = ""

    def add_report(self, report: Any) -> None:
        """Collect the leaks of a report."""
        self._found += getattr(report, "otel_leaks", ())
        if report.when == "call" and not report.skipped:
            self._tests_run.add(report.nodeid)

    def add_worker(self, output: dict[str, Any]) -> None:
        """Collect the leaks that a worker found at its end."""
        sent = output.get(_WORKER_KEY)
        if sent is not None:
            self._found += sent["found"]
            self._end_texts += sent["texts"]

    def add_end(self, found: list[dict[str, Any]], texts: list[str]) -> None:
        """Collect the leaks at the end of the run; a worker sends them to its controller."""
        self._found += found
        self._end_texts += texts
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_WORKER_KEY] = {"found": found, "texts": texts}

    def finish(self, session: pytest.Session) -> bool:
        """Write the baseline if requested; return whether there were leaks at the end of the run."""
        if hasattr(session.config, "workeroutput"):
            return False
        if self._planner.writes_baseline and self._planner.baseline is not None:
            leaked = [found for found in self._found if found["state"] == "leaked"]
            new = {(seen.kind, seen.site, seen.runs): seen for seen in map(_seen, reversed(leaked))}
            self._planner.baseline.adopting(new.values()).write(self._planner.baseline_path)
            entries = "1 new entry" if len(new) == 1 else f"{len(new)} new entries"
            self._wrote = f"wrote {entries} to {self._planner.baseline_path}: give each a reason and a date"
        return bool(self._end_texts)

    def print_to(self, terminal: Any) -> None:
        """Print the tables, unless they are empty."""
        vanished, moved = self._vanished(), self._moved()
        if not (self._found or self._end_texts or vanished or self._wrote):
            return
        terminal.write_sep("=", "leaks")
        for text in self._end_texts:
            terminal.write_line(text)
        leaked = [one for one in self._found if one["state"] == "leaked"]
        if leaked:
            tests = len({one["test"] for one in leaked})
            terminal.write_line(f"{_count(len(leaked), 'leak')} in {_count(tests, 'test')}")
            _print_table(terminal, "by creation site", leaked, ("kind", "site", "place", "running"))
            _print_table(terminal, "by wait reason", leaked, ("kind", "waits"))
        for state in ("allowed", "tolerated"):
            reasons = Counter(one["reason"] for one in self._found if one["state"] == state)
            for reason, count in reasons.most_common():
                terminal.write_line(f"{_count(count, 'leak')} {state}: {reason}")
        for entry in vanished:
            runs = f" running {entry.runs}" if entry.runs else ""
            terminal.write_line(f"gone, delete it from the baseline: {entry.kind} {entry.site}{runs} ({entry.reason})")
        for entry, callers in moved.items():
            terminal.write_line(moved_text(entry, callers))
        if self._wrote:
            terminal.write_line(self._wrote)

    def _moved(self) -> dict[KnownLeak, list[str]]:
        baseline = self._planner.baseline
        if baseline is None or self._wrote:
            return {}
        return baseline.moved(map(_seen, self._found))

    def _vanished(self) -> list[KnownLeak]:
        baseline = self._planner.baseline
        if baseline is None or not self._tests_run:
            return []
        return baseline.vanished(map(_seen, self._found), self._tests_run)


def _seen(found: dict[str, Any]) -> SeenLeak:
    kind, site, test, runs, via, callers = found["seen"]
    return SeenLeak(kind, site, test, runs, tuple(via), tuple(callers))


def _print_table(terminal: Any, title: str, leaked: list[dict[str, Any]], fields: tuple[str, ...]) -> None:
    rows: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in leaked:
        rows[tuple(one[field] for field in fields)].append(one["test"])
    terminal.write_line(f"  {title}:")
    ordered = sorted(rows.items(), key=lambda row: (-len(row[1]), row[0]))
    for key, tests in ordered[:_MAX_ROWS]:
        first = f"first in {tests[0]}" if len(set(tests)) > 1 else f"in {tests[0]}"
        terminal.write_line(f"    {len(tests):>5}  {'  '.join(filter(None, key))}  {first}")
    if len(ordered) > _MAX_ROWS:
        terminal.write_line(f"    ... {len(ordered) - _MAX_ROWS} more rows")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
