"""Baselines: files of known leaks, so that an old suite fails on new leaks only.

Each entry names a creation site, the reason to tolerate its leak, and an expiry date. An expired entry tolerates
nothing. An entry whose leak is gone is reported, so that the file only shrinks. The file is JSON, because it is written
by a tool and reviewed by developers::

    {"version": 2, "leaks": [
      {"kind": "task", "site": "shop.search.query", "runs": "shop.search.ask", "reason": "SHOP-12",
       "expires": "2027-02-01", "test": "tests/test_search.py::test_query"}
    ]}

- An entry matches by the function of the creating line, and by the started function if both the entry and the leak have
  it.
- Version 1, which is still read, has no ``runs``. Its sites are the lines of spawners; now the site is the spawner's
  caller. Such an entry no longer matches and is reported as moved, with the callers that replaced it.
- Under a trace function (coverage, a debugger), Python ≤ 3.12 cannot detect spawners. An entry with ``runs`` then also
  matches by any function of the creation stack, so that a run with coverage needs no separate baseline.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from .leak import Leak
from .leftover import LeakKind

DAYS_TO_MEND: Final = 90
"""Days until an entry written by the tool expires, unless a date is given."""
_VERSION: Final = 2
_READABLE: Final = (1, 2)
_KINDS: Final = get_args(LeakKind)
_FIELDS: Final = {"kind", "site", "runs", "reason", "expires", "waits", "test"}


class SeenLeak(NamedTuple):
    """The properties of a leak that a baseline compares.

    Attributes:
        kind: ``task``, ``thread``, ``timer`` or ``session``.
        site: Function of the creating line.
        test: The test that leaked; empty if unknown.
        runs: The started function; empty if unknown.
        via: Functions of the spawners and libraries between the creating line and the creation.
        callers: Functions of the creation stack if spawners could not be detected; otherwise empty.
    """

    kind: str
    site: str
    test: str = ""
    runs: str = ""
    via: tuple[str, ...] = ()
    callers: tuple[str, ...] = ()

    @classmethod
    def of(cls, leak: Leak, test: str = "") -> SeenLeak:
        """Return the properties of a leak that a baseline compares."""
        via = tuple(line.function for line in leak.site.via)
        callers = () if _sees_through_spawners() else tuple(frame.function for frame in leak.creation_stack)
        return cls(leak.kind, leak.site.function, test, leak.site.runs, via, callers)


@dataclass(frozen=True, slots=True)
class KnownLeak:
    """A tolerated leak.

    Attributes:
        kind: ``task``, ``thread``, ``timer`` or ``session``.
        site: Function of the creating line, ``module.function``.
        reason: Why it is tolerated, preferably a ticket.
        expires: The last day on which it is tolerated.
        waits: The required wait reason; empty for any.
        test: The test that showed it; empty if there is none.
        runs: The started coroutine function or thread target; empty for any.
    """

    kind: str
    site: str
    reason: str
    expires: date
    waits: str = ""
    test: str = ""
    runs: str = ""

    def is_of(self, leak: Leak) -> bool:
        """Return whether this entry is about ``leak``, whatever the date."""
        return self.is_at(SeenLeak.of(leak)) and self.waits in ("", leak.wait_reason)

    def is_at(self, seen: SeenLeak) -> bool:
        """Return whether a leak has this entry's kind and site, and the same function if both are known."""
        if self.site != seen.site and not (self.runs and seen.runs and self.site in seen.callers):
            return False
        return seen.kind == self.kind and self._runs_the_same(seen)

    def was_before(self, seen: SeenLeak) -> bool:
        """Return whether this entry names a spawner of a leak, whose site is now the spawner's caller."""
        return seen.kind == self.kind and self.site in seen.via and self._runs_the_same(seen)

    def _runs_the_same(self, seen: SeenLeak) -> bool:
        return "" in (self.runs, seen.runs) or self.runs == seen.runs


class Baseline:
    """The known leaks of a suite.

    Args:
        known: The entries.
        today: The day by which entries expire; the current one by default.
    """

    def __init__(self, known: Iterable[KnownLeak] = (), *, today: date | None = None) -> None:
        self.known = tuple(known)
        self._today = today or datetime.now(timezone.utc).date()

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, today: date | None = None) -> Baseline:
        """Read a baseline file of this version or an earlier one.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The file is not a baseline; the message names the entry and what was expected.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{os.fspath(path)} is not JSON: {error}") from None
        if not isinstance(content, dict) or content.get("version") not in _READABLE or "leaks" not in content:
            raise ValueError(f'{os.fspath(path)}: expected {{"version": {_VERSION}, "leaks": [...]}}')
        entries = enumerate(content["leaks"], 1)
        return cls([_entry(entry, f"{os.fspath(path)}, entry {number}") for number, entry in entries], today=today)

    def entry_of(self, leak: Leak) -> KnownLeak | None:
        """Return the entry that tolerates ``leak`` today, or None."""
        return next((entry for entry in self.known if entry.is_of(leak) and entry.expires >= self._today), None)

    def expired_entry_of(self, leak: Leak) -> KnownLeak | None:
        """Return an expired entry that tolerated ``leak``, or None."""
        return next((entry for entry in self.known if entry.is_of(leak) and entry.expires < self._today), None)

    def moved_entry_of(self, leak: Leak) -> KnownLeak | None:
        """Return an entry that names a spawner of ``leak``, whose site is now the spawner's caller, or None."""
        seen = SeenLeak.of(leak)
        return next((entry for entry in self.known if entry.was_before(seen)), None)

    def vanished(self, seen: Iterable[tuple[Any, ...]], tests_run: Iterable[str] | None = None) -> list[KnownLeak]:
        """Return the entries whose leak is gone and which can be deleted. Entries that have moved are not gone.

        Args:
            seen: Every leak of the run: ``SeenLeak``, or kind and site.
            tests_run: Names of the tests that ran; entries of tests that did not run are ignored. None: all ran.
        """
        found = [SeenLeak(*each) for each in seen]
        ran = None if tests_run is None else set(tests_run)
        return [
            entry
            for entry in self.known
            if not any(entry.is_at(each) or entry.was_before(each) for each in found)
            and (ran is None or not entry.test or entry.test in ran)
        ]

    def moved(self, seen: Iterable[tuple[Any, ...]]) -> dict[KnownLeak, list[str]]:
        """Return the entries that name a spawner instead of the site of a leak, each with the callers seen."""
        found = [SeenLeak(*each) for each in seen]
        callers = {
            entry: list(dict.fromkeys(each.site for each in found if entry.was_before(each)))
            for entry in self.known
            if not any(entry.is_at(each) for each in found)
        }
        return {entry: sites for entry, sites in callers.items() if sites}

    def adopting(self, leaks: Iterable[tuple[Any, ...]], *, reason: str = "", expires: date | None = None) -> Baseline:
        """Return this baseline with further leaks; entries it has keep their reason and date, even if they moved.

        Args:
            leaks: ``SeenLeak``, or kind, site and test of each leak.
            reason: Why they are tolerated; by default, the day of their adoption.
            expires: The last day on which they are tolerated; in 90 days by default.
        """
        new = KnownLeak(
            "",
            "",
            reason or f"adopted on {self._today}: give a reason, or fix it",
            expires or self._today + timedelta(days=DAYS_TO_MEND),
        )
        found = [SeenLeak(*each) for each in leaks]
        moved = self.moved(found)
        known = [entry for entry in self.known if entry not in moved]
        for seen in found:
            if not any(entry.is_at(seen) for entry in known):
                origin = next((entry for entry in moved if entry.was_before(seen)), new)
                known.append(replace(origin, kind=seen.kind, site=seen.site, runs=seen.runs, test=seen.test))
        return Baseline(sorted(known, key=lambda entry: (entry.kind, entry.site, entry.runs)), today=self._today)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically in this version, with one entry per line."""
        lines = ",\n".join("  " + json.dumps(_fields(entry), ensure_ascii=False) for entry in self.known)
        text = f'{{"version": {_VERSION}, "leaks": [\n{lines}\n]}}\n'
        half = Path(f"{os.fspath(path)}.{os.getpid()}.tmp")
        half.write_text(text, encoding="utf-8")
        half.replace(path)


def _sees_through_spawners() -> bool:
    return sys.version_info >= (3, 13) or sys.gettrace() is None


def moved_text(entry: KnownLeak, callers: Iterable[str]) -> str:
    """Return the explanation for an entry that no longer matches."""
    return (
        f"the baseline's {entry.kind} {entry.site} no longer matches: a leak's site is now the caller of a spawner, "
        f"here {', '.join(callers)}; --leaks-write-baseline moves the entry with its reason and date"
    )


def _fields(entry: KnownLeak) -> dict[str, str]:
    fields = {
        "kind": entry.kind,
        "site": entry.site,
        "runs": entry.runs,
        "reason": entry.reason,
        "expires": entry.expires.isoformat(),
        "waits": entry.waits,
        "test": entry.test,
    }
    return {name: value for name, value in fields.items() if value}


def _entry(entry: Any, where: str) -> KnownLeak:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise ValueError(f"{where}: expected an object of strings, got {entry!r}")
    unknown = sorted(set(entry) - _FIELDS)
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(_FIELDS))}")
    for name in ("kind", "site", "reason", "expires"):
        if not entry.get(name, "").strip():
            raise ValueError(f"{where}: {name!r} is missing; a known leak needs kind, site, reason and expires")
    if entry["kind"] not in _KINDS:
        raise ValueError(f"{where}: kind is {entry['kind']!r}, expected {', '.join(map(repr, _KINDS))}")
    try:
        expires = date.fromisoformat(entry["expires"])
    except ValueError:
        raise ValueError(f"{where}: expires is {entry['expires']!r}, expected a date such as '2027-02-01'") from None
    optional = {name: entry[name] for name in ("waits", "test", "runs") if name in entry}
    return KnownLeak(entry["kind"], entry["site"], entry["reason"], expires, **optional)
